"""Ranges of entries, and the ordered map over threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.streaming.execution import TARGET_EVENTS, ordered_map, ranges_of, target_events

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


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_in_the_order_of_the_items(workers: int) -> None:
    first = threading.Event()

    def slow_first(item: int) -> int:
        if workers > 1 and item == 0:
            first.wait(10)  # until a later item has been worked on
        else:
            first.set()
        return item * item

    assert list(ordered_map(slow_first, range(20), workers)) == [n * n for n in range(20)]
    assert list(ordered_map(slow_first, [], workers)) == []


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_first_error_is_raised_at_its_place_and_ends_the_work(workers: int) -> None:
    started: list[int] = []

    def fail(item: int) -> int:
        started.append(item)
        if item in {5, 6}:
            msg = f"item {item}"
            raise ValueError(msg)
        return item

    results: list[int] = []

    def collect() -> None:
        for result in ordered_map(fail, range(1000), workers):
            results.append(result)

    with pytest.raises(ValueError, match="item 5"):
        collect()
    assert results == list(range(5))
    assert max(started) <= 5 + 2 * workers


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_items_are_taken_at_most_two_ahead_for_each_worker(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    for result in ordered_map(lambda item: item, items(), workers):
        assert len(taken) <= result + 1 + 2 * workers
    assert len(taken) == 100


@pytest.mark.parametrize("workers", [1, 3])
def test_a_consumer_that_stops_stops_the_work(workers: int) -> None:
    started: list[int] = []

    def note(item: int) -> int:
        started.append(item)
        return item

    results = ordered_map(note, range(1000), workers)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert len(started) <= 1 + 2 * workers
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mlaas4hep-read")]


def test_items_are_worked_on_at_the_same_time() -> None:
    both = threading.Barrier(2)
    assert list(ordered_map(lambda _item: both.wait(10) >= 0, range(2), 2)) == [True, True]


def test_one_worker_with_items_ahead_works_in_a_thread() -> None:
    threads: set[int] = set()

    def note(item: int) -> int:
        threads.add(threading.get_ident())
        return item

    assert list(ordered_map(note, range(5), 1, 2)) == list(range(5))
    assert threading.get_ident() not in threads
