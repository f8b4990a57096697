"""Events as blocks of feature rows: any part of the split, mixed from all files in proportion, as often as wanted.

The order of events is decided by seed and epoch, never by chunk boundaries in files, workers or what is in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.layout import Layout
from mlaas4hep.features.matrix import raw_matrix
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.pipeline import Pipeline
from mlaas4hep.streaming.scan import RangeCount, Scan
from mlaas4hep.streaming.schedule import ordered_map

__all__ = ["Block", "Dataset", "Order"]


@dataclass(frozen=True, eq=False)
class Block:
    """Some events.

    Attributes:
        raw: raw feature columns (see `Layout`), float32 [n, D].
        y: target of each event as `Dataset` was told to compute it, [n].
        weight: physics weights, float64 [n].
        part: TRAIN, VALIDATION or TEST, int8 [n].
        file: index of the file as the user gave it, int32 [n].
        entry: entry number in its file, int64 [n].
    """

    raw: NDArray[np.float32]
    y: NDArray[Any]
    weight: NDArray[np.float64]
    part: NDArray[np.int8]
    file: NDArray[np.int32]
    entry: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entry)

    def take(self, which: Any) -> Block:
        """Some of the events: an index array, a mask or a slice."""
        return Block(
            self.raw[which], self.y[which], self.weight[which], self.part[which], self.file[which], self.entry[which]
        )

    @staticmethod
    def join(blocks: Sequence[Block]) -> Block:
        """The events of several blocks, one after another."""
        if len(blocks) == 1:
            return blocks[0]
        names = ("raw", "y", "weight", "part", "file", "entry")
        return Block(*(np.concatenate([getattr(block, name) for block in blocks]) for name in names))


@dataclass(frozen=True)
class Order:
    """How events are ordered: as they lie in the files, or shuffled by (seed, epoch)."""

    seed: int = 0
    epoch: int = 0
    shuffle: bool = False

    def generator(self, *place: int) -> np.random.Generator:
        """Random numbers that belong to one place in one epoch."""
        return np.random.default_rng([len(place), self.seed, self.epoch, *place])


class Dataset:
    """The selected events of all files after the first pass.

    Args:
        files: in canonical order.
        scan: the result of the first pass over them.
        layout: the feature columns.
        target: from labels [n] (of the label branch, or the file's) to what the model is to learn [n].
        chunk_size: events a chunk; -1: all in one.
        workers: ranges read at the same time.
        keep_bytes: blocks stay in memory, once read, if all of them need no more than this.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        pipeline: Pipeline,
        scan: Scan,
        layout: Layout,
        target: Callable[[NDArray[Any]], NDArray[Any]],
        *,
        chunk_size: int,
        workers: int = 1,
        keep_bytes: int = 0,
    ) -> None:
        self.files = tuple(files)
        self.pipeline = pipeline
        self.scan = scan
        self.layout = layout
        self.target = target
        self.chunk_size = chunk_size
        self.workers = workers
        self._kept: dict[tuple[int, int], Block] | None = {} if self.bytes_of(scan.used) <= keep_bytes else None

    def bytes_of(self, events: int) -> int:
        """Memory that so many events need as blocks."""
        return events * (4 * self.layout.width + 32)

    def size(self, part: int) -> int:
        """Number of events in a part of the split."""
        return self.scan.part(part)

    def block(self, file: int, number: int) -> Block:
        """All used events of one range of one file."""
        key = (file, number)
        if self._kept is not None and key in self._kept:
            return self._kept[key]
        block = self._read(file, self.scan.files[file].ranges[number])
        if self._kept is not None:
            self._kept[key] = block
        return block

    def chunks(self, part: int, order: Order = Order()) -> Iterator[Block]:
        """All events of a part once; each chunk holds every file in the proportion of the whole."""
        sizes = [found.part(part) for found in self.scan.files]
        total = sum(sizes)
        if not total:
            return
        count = 1 if self.chunk_size == -1 else -(-total // self.chunk_size)
        streams = [(size, _Stream(self._blocks(file, part, order))) for file, size in enumerate(sizes) if size]
        for chunk in range(count):
            taken: list[Block] = []
            for number, (size, stream) in enumerate(streams):
                phase = Fraction(number, len(streams))
                taken += stream.take(_share(size, chunk + 1, count, phase) - _share(size, chunk, count, phase))
            if taken:
                block = Block.join(taken)
                yield block.take(order.generator(len(sizes), chunk).permutation(len(block))) if order.shuffle else block

    def in_order(self, part: int | None = None) -> Iterator[Block]:
        """All events of a part (or of all) as they lie in the files, file by file."""
        keys = [(f, n) for f, found in enumerate(self.scan.files) for n, r in enumerate(found.ranges) if r.used]
        for block in ordered_map(lambda key: self.block(*key), keys, self.workers):
            chosen = block if part is None else block.take(block.part == part)
            if len(chosen):
                yield chosen

    def _blocks(self, file: int, part: int, order: Order) -> Iterator[Block]:
        numbers = [n for n, found in enumerate(self.scan.files[file].ranges) if found.parts[part]]
        if order.shuffle:
            numbers = [numbers[i] for i in order.generator(file).permutation(len(numbers))]
        for number in numbers:
            block = self.block(file, number)
            chosen = np.flatnonzero(block.part == part)
            yield block.take(order.generator(file, number).permutation(chosen) if order.shuffle else chosen)

    def _read(self, file: int, found: RangeCount) -> Block:
        data = self.files[file]
        selected = self.pipeline.apply(data, found.start, found.stop)
        if len(selected) > found.used:
            selected = selected.where(np.arange(len(selected)) < found.used)
        events = len(selected)
        label = selected.label if selected.label is not None else np.full(events, data.sample.label)
        return Block(
            raw_matrix(selected.columns, self.layout.branches, events),
            self.target(label),
            selected.weight,
            selected.part,
            np.full(events, data.index, dtype=np.int32),
            selected.entry,
        )


def _share(size: int, chunks: int, count: int, phase: Fraction) -> int:
    """Events of a file in the first ``chunks`` of ``count``; by their phases, files of one size take turns."""
    return math.floor(Fraction(size * chunks, count) + phase)


class _Stream:
    """Takes any number of events from an iterator of blocks."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._rest: Block | None = None

    def take(self, events: int) -> list[Block]:
        taken: list[Block] = []
        while events:
            block = self._rest if self._rest is not None else next(self._blocks)
            taken.append(block.take(slice(0, events)))
            self._rest = block.take(slice(events, None)) if len(block) > events else None
            events -= len(taken[-1])
        return taken
