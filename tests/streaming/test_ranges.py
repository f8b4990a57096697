"""Ranges of entries that are read together."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.streaming.ranges import TARGET_EVENTS, ranges_of, target_events

SIZES = st.lists(st.integers(1, 400), max_size=30)


@given(SIZES, st.integers(1, 120))
def test_ranges_cover_every_entry_once(sizes: list[int], target: int) -> None:
    clusters = [0, *accumulate(sizes)]
    ranges = ranges_of(clusters, target)
    covered = [entry for start, stop in ranges for entry in range(start, stop)]
    assert covered == list(range(clusters[-1]))
    assert all(stop > start for start, stop in ranges)


@given(SIZES, st.integers(1, 120))
def test_ranges_end_at_clusters_unless_a_cluster_is_large(sizes: list[int], target: int) -> None:
    clusters = [0, *accumulate(sizes)]
    large = [(a, b) for a, b in pairwise(clusters) if b - a > 2 * target]
    for start, stop in ranges_of(clusters, target):
        for edge in (start, stop):
            assert edge in clusters or any(a < edge < b for a, b in large)
        assert stop - start <= 3 * target


@given(SIZES, st.integers(1, 120))
def test_small_clusters_are_read_together(sizes: list[int], target: int) -> None:
    clusters = [0, *accumulate(sizes)]
    large = {a for a, b in pairwise(clusters) if b - a > 2 * target}
    for start, stop in ranges_of(clusters, target):
        at_the_end = stop == clusters[-1] or stop in large
        assert at_the_end or 2 * (stop - start) >= target


@pytest.mark.parametrize(
    ("clusters", "target", "expected"),
    [
        ([0], 10, []),
        ([0, 0], 10, []),
        ([0, 3], 10, [(0, 3)]),
        ([0, 10, 20, 30], 10, [(0, 10), (10, 20), (20, 30)]),
        ([0, 4, 8, 12, 16], 10, [(0, 12), (12, 16)]),
        ([0, 5, 40], 10, [(0, 5), (5, 15), (15, 25), (25, 40)]),
        ([0, 34], 10, [(0, 10), (10, 20), (20, 34)]),
        ([0, 36], 10, [(0, 10), (10, 20), (20, 30), (30, 36)]),
    ],
)
def test_ranges_by_example(clusters: list[int], target: int, expected: list[tuple[int, int]]) -> None:
    assert ranges_of(clusters, target) == expected


def test_many_files_have_smaller_ranges() -> None:
    assert target_events(1) == target_events(16) == TARGET_EVENTS
    assert target_events(32) == TARGET_EVENTS // 2
    assert target_events(10**6) == 1024
