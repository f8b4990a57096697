"""The order of an epoch: which events of which ranges stand in which chunk. Pure arithmetic; nothing is read here.

A *lane* is a file (with very many files: a sample). Every chunk takes from each lane its share of the whole. Shuffled,
an epoch deals the ranges of each lane anew into groups and mixes all events of a group, so that over the epochs every
event meets every other. The order follows from seed, epoch, ranges, chunk size and window alone: not from workers,
caches or machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

__all__ = ["ChunkPlan", "Group", "Lane", "Order", "Piece", "deal", "plan_chunks", "reading_order"]


@dataclass(frozen=True)
class Order:
    """How events are ordered: as they lie in the files, or shuffled by (seed, epoch)."""

    seed: int = 0
    epoch: int = 0
    shuffle: bool = False

    def generator(self, *place: int) -> np.random.Generator:
        """Random numbers that belong to one place in one epoch."""
        return np.random.default_rng([len(place), self.seed, self.epoch, *place])


@dataclass(frozen=True, eq=False)
class Group:
    """Ranges of a lane whose events are mixed with each other.

    Attributes:
        place: number of the lane, number of the group in it.
        ranges: numbers of the ranges, in the order of the epoch.
        size: number of events.
        begin: events of the lane before this group.
    """

    place: tuple[int, int]
    ranges: tuple[int, ...]
    size: int
    begin: int


@dataclass(frozen=True, eq=False)
class Lane:
    """The groups of a lane in the order of the epoch, and the number of events in them."""

    groups: tuple[Group, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Events ``start`` to ``stop`` of a group, in the group's order."""

    group: Group
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """What a chunk consists of."""

    number: int
    pieces: tuple[Piece, ...]
    size: int


def deal(lanes: Sequence[Sequence[int]], sizes: Mapping[int, int], order: Order, window: int) -> list[Lane]:
    """Divide the ranges of each lane into groups.

    Args:
        lanes: numbers of the ranges of each lane, in the order of the files.
        sizes: events of each range; ranges without any are left out.
        order: shuffled or not.
        window: events that the current groups of all lanes may have together, roughly.

    Returns:
        One lane for each that has events. Without shuffling every range is a group of its own.
    """
    total = sum(sizes[number] for lane in lanes for number in lane)
    count = max(1, -(-total // max(1, window)))
    dealt = []
    for index, lane in enumerate(lanes):
        ranges = [number for number in lane if sizes[number]]
        if not ranges:
            continue
        if order.shuffle:
            ranges = [ranges[i] for i in order.generator(index).permutation(len(ranges))]
        before = np.concatenate([[0], np.cumsum([sizes[number] for number in ranges])])
        size = int(before[-1])
        owner = before[:-1] * count // size if order.shuffle else np.arange(len(ranges))
        groups: list[Group] = []
        for _, members in groupby(range(len(ranges)), key=lambda i: int(owner[i])):
            mine = list(members)
            begin, end = int(before[mine[0]]), int(before[mine[-1] + 1])
            groups.append(Group((index, len(groups)), tuple(ranges[i] for i in mine), end - begin, begin))
        dealt.append(Lane(tuple(groups), size))
    return dealt


def plan_chunks(lanes: Sequence[Lane], chunk_size: int) -> Iterator[ChunkPlan]:
    """Chunks of about ``chunk_size`` events (-1: all in one), each with every lane in the proportion of the whole.

    A chunk without events is left out.
    """
    total = sum(lane.size for lane in lanes)
    count = 1 if chunk_size == -1 else -(-total // chunk_size)
    at = [0] * len(lanes)
    for chunk in range(count):
        pieces: list[Piece] = []
        for number, lane in enumerate(lanes):
            begin = _share(lane.size, chunk, count, number, len(lanes))
            end = _share(lane.size, chunk + 1, count, number, len(lanes))
            while begin < end:
                group = lane.groups[at[number]]
                stop = min(end, group.begin + group.size)
                pieces.append(Piece(group, begin - group.begin, stop - group.begin))
                if stop == group.begin + group.size:
                    at[number] += 1
                begin = stop
        if pieces:
            yield ChunkPlan(chunk, tuple(pieces), sum(piece.stop - piece.start for piece in pieces))


def reading_order(lanes: Sequence[Lane]) -> list[int]:
    """Numbers of all ranges in the order in which the chunks will need them."""
    keyed = [(group.begin / lane.size, group) for lane in lanes for group in lane.groups]
    keyed.sort(key=lambda pair: (pair[0], pair[1].place))
    return [number for _, group in keyed for number in group.ranges]


def _share(size: int, chunks: int, count: int, number: int, lanes: int) -> int:
    """Events of a lane in the first ``chunks`` of ``count``; lanes of one size take turns to give one more."""
    return (size * chunks * lanes + number * count) // (count * lanes)
