"""The order of an epoch, against the properties it must have; nothing is read."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.streaming.dataset.order import ChunkPlan, Lane, Order, deal, plan_chunks, reading_order

LANES = st.lists(st.lists(st.integers(0, 50), max_size=8), min_size=1, max_size=6)


def numbered(sizes: list[list[int]]) -> tuple[list[list[int]], dict[int, int]]:
    """Ranges of each lane by number, and their sizes."""
    lanes: list[list[int]] = []
    by_number: dict[int, int] = {}
    for lane in sizes:
        first = len(by_number)
        by_number.update({first + i: size for i, size in enumerate(lane)})
        lanes.append(list(range(first, len(by_number))))
    return lanes, by_number


def chunks(lanes: list[Lane], chunk_size: int) -> list[ChunkPlan]:
    return list(plan_chunks(lanes, chunk_size))


@given(LANES, st.integers(1, 200), st.integers(0, 5), st.booleans())
def test_every_range_is_in_one_group(sizes: list[list[int]], window: int, epoch: int, shuffle: bool) -> None:
    lanes, by_number = numbered(sizes)
    dealt = deal(lanes, by_number, Order(1, epoch, shuffle), window)
    assert len(dealt) == sum(any(lane) for lane in sizes)
    found = [number for lane in dealt for group in lane.groups for number in group.ranges]
    assert sorted(found) == [number for number, size in by_number.items() if size]
    assert len({group.place for lane in dealt for group in lane.groups}) == sum(len(lane.groups) for lane in dealt)
    for lane in dealt:
        assert lane.groups[0].begin == 0
        assert lane.size == sum(group.size for group in lane.groups)
        for group in lane.groups:
            assert group.size == sum(by_number[number] for number in group.ranges)
        for first, second in pairwise(lane.groups):
            assert second.begin == first.begin + first.size
    assert sorted(reading_order(dealt)) == sorted(found)


@given(LANES, st.integers(1, 200), st.one_of(st.just(-1), st.integers(1, 120)), st.booleans())
def test_chunks_take_every_event_once_and_each_lane_in_proportion(
    sizes: list[list[int]], window: int, chunk_size: int, shuffle: bool
) -> None:
    lanes, by_number = numbered(sizes)
    dealt = deal(lanes, by_number, Order(1, 0, shuffle), window)
    taken: Counter[tuple[tuple[int, int], int]] = Counter()
    total = sum(by_number.values())
    count = 1 if chunk_size == -1 else ceil(total / chunk_size)
    done = [0] * len(dealt)
    for chunk in chunks(dealt, chunk_size):
        assert chunk.size == sum(piece.stop - piece.start for piece in chunk.pieces) > 0
        for piece in chunk.pieces:
            taken.update((piece.group.place, i) for i in range(piece.start, piece.stop))
        for number, lane in enumerate(dealt):
            done[number] += sum(p.stop - p.start for p in chunk.pieces if p.group in lane.groups)
            assert abs(done[number] - Fraction(lane.size * (chunk.number + 1), count)) <= 1
    assert set(taken.values()) <= {1}
    assert sum(taken.values()) == total


@given(LANES, st.integers(1, 200), st.integers(1, 40))
def test_ranges_are_read_in_the_order_of_need(sizes: list[list[int]], window: int, chunk_size: int) -> None:
    """Groups of one lane are needed one after another, and none of a lane is read long before those of the others."""
    lanes, by_number = numbered(sizes)
    dealt = deal(lanes, by_number, Order(3, 1, shuffle=True), window)
    places = {number: place for place, number in enumerate(reading_order(dealt))}
    for lane in dealt:
        flat = [places[number] for group in lane.groups for number in group.ranges]
        assert flat == sorted(flat)
    starts = {group: Fraction(group.begin, lane.size) for lane in dealt for group in lane.groups}
    by_place = sorted(starts, key=lambda group: places[group.ranges[0]])
    assert all(starts[a] <= starts[b] + Fraction(1, 10**12) for a, b in pairwise(by_place))
    assert sum(chunk.size for chunk in chunks(dealt, chunk_size)) == sum(by_number.values())


def test_unshuffled_is_the_order_of_the_files() -> None:
    lanes, sizes = numbered([[3, 0, 2], [4]])
    dealt = deal(lanes, sizes, Order(), 1)
    assert [group.ranges for lane in dealt for group in lane.groups] == [(0,), (2,), (3,)]
    (chunk,) = chunks(dealt, -1)
    assert [(p.group.ranges, p.start, p.stop) for p in chunk.pieces] == [((0,), 0, 3), ((2,), 0, 2), ((3,), 0, 4)]


def test_groups_have_about_the_size_of_the_window() -> None:
    lanes, sizes = numbered([[100] * 40, [100] * 10])
    dealt = deal(lanes, sizes, Order(0, 0, shuffle=True), 1000)
    assert [len(lane.groups) for lane in dealt] == [5, 5]
    assert {group.size for group in dealt[0].groups} == {800}
    assert {group.size for group in dealt[1].groups} == {200}
    assert len(deal(lanes, sizes, Order(0, 0, shuffle=True), 10**9)[0].groups) == 1


def test_over_the_epochs_every_range_meets_every_other() -> None:
    lanes, sizes = numbered([[10] * 12])
    met: set[frozenset[int]] = set()
    for epoch in range(40):
        for group in deal(lanes, sizes, Order(7, epoch, shuffle=True), 40)[0].groups:
            met |= {frozenset((a, b)) for a in group.ranges for b in group.ranges if a < b}
    assert len(met) == 12 * 11 // 2


@pytest.mark.parametrize("order", [Order(1, 2, shuffle=True), Order(1, 2)])
def test_the_same_order_again(order: Order) -> None:
    lanes, sizes = numbered([[5, 9, 1, 7], [3, 3, 8]])

    def places() -> list[tuple[tuple[int, int], tuple[int, ...]]]:
        return [(group.place, group.ranges) for lane in deal(lanes, sizes, order, 9) for group in lane.groups]

    assert places() == places()
    if order.shuffle:
        other = deal(lanes, sizes, Order(1, 3, shuffle=True), 9)
        assert [(g.place, g.ranges) for lane in other for g in lane.groups] != places()


def test_random_numbers_belong_to_a_place() -> None:
    draws = {
        (order.seed, order.epoch, *place): order.generator(*place).integers(0, 2**62)
        for order in (Order(0, 0), Order(0, 1), Order(1, 0))
        for place in ((0,), (1,), (0, 0), (0, 1), (1, 0), (5, 5))
    }
    assert len(set(draws.values())) == len(draws)
    assert isinstance(Order().generator(0), np.random.Generator)
