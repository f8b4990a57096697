"""Makes the chunks of a plan from the rows of ranges: one copy, transformed on the way, by several threads."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.gather import Sources, Transform, gather
from mlaas4hep.streaming.dataset.buffers import Buffers
from mlaas4hep.streaming.dataset.loader import Loader
from mlaas4hep.streaming.dataset.order import ChunkPlan, Group, Order, Piece
from mlaas4hep.streaming.dataset.rows import Rows

__all__ = ["Assembler", "Chunk"]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some events as a model takes them.

    Attributes:
        x: transformed feature columns (see `Layout.transform`), float32 [n, model_width].
        y: target of each event as `Dataset` was told to compute it, [n].
        weight: physics weights, float64 [n].
        file: index of the file as the user gave it, int32 [n].
        entry: entry number in its file, int64 [n].
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    weight: NDArray[np.float64]
    file: NDArray[np.int32]
    entry: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entry)


class Assembler:
    """Makes chunks; `make` may be called from several threads.

    Args:
        loader: gives the rows of a range.
        part: of the split.
        order: of the epoch.
        lanes: number of lanes.
        transform: what becomes of the raw columns.
        width: columns of a chunk.
        file_of: index of the file of a range.
        buffers: memory of the chunks.
    """

    def __init__(
        self,
        loader: Loader[Rows],
        part: int,
        order: Order,
        lanes: int,
        transform: Transform,
        width: int,
        file_of: Callable[[int], int],
        buffers: Buffers,
    ) -> None:
        self._loader = loader
        self._part = part
        self._order = order
        self._lanes = lanes
        self._transform = transform
        self._width = width
        self._file_of = file_of
        self._buffers = buffers
        self._groups: dict[Group, _Mixed] = {}
        self._joined: _Joined | None = None
        self._lock = threading.Lock()

    def make(self, plan: ChunkPlan) -> Chunk:
        """The chunk of a plan. Each plan must be made once, and the pieces of a group in order by their numbers."""
        number = len(plan.pieces)
        turns = [(plan.number + turn) % number for turn in range(number)]  # threads begin with different groups
        prepared = {turn: self._prepared(plan.pieces[turn].group) for turn in turns}
        mixed = [prepared[turn] for turn in range(number)]
        joined = self._join(mixed)
        block = np.concatenate([_blocks(m, p, b) for m, p, b in zip(mixed, plan.pieces, joined.bases, strict=True)])
        row = np.concatenate([m.row[p.start : p.stop] for m, p in zip(mixed, plan.pieces, strict=True)])
        if self._order.shuffle:
            place = (plan.number, self._lanes, 0)
            permutation = self._order.generator(*place).permutation(plan.size)
            block, row = block[permutation], row[permutation]
        x = self._buffers.take(plan.size, self._width)
        gather(x, joined.raw, block, row, self._transform)
        side = np.empty(plan.size, dtype=joined.side_dtype)
        gather(side.view(np.float32).reshape(plan.size, -1), joined.side, block, row)
        chunk = Chunk(
            x,
            np.ascontiguousarray(side["y"]),
            np.ascontiguousarray(side["weight"]),
            joined.files[block],
            np.ascontiguousarray(side["entry"]),
        )
        for piece in plan.pieces:
            self._use(piece)
        return chunk

    def _prepared(self, group: Group) -> _Mixed:
        with self._lock:
            mixed = self._groups.get(group)
            if mixed is None:
                mixed = self._groups[group] = _Mixed(group)
        mixed.prepare(self._loader, self._part, self._order, self._file_of)
        return mixed

    def _join(self, mixed: Sequence[_Mixed]) -> _Joined:
        """The sources of several groups as one; kept, since the next chunk mostly has the same."""
        joined = self._joined
        if joined is None or not joined.of_these(mixed):
            joined = self._joined = _Joined.of(mixed)
        return joined

    def _use(self, piece: Piece) -> None:
        """Count the events that were taken; after the last one the group is released."""
        with self._lock:
            mixed = self._groups[piece.group]
            mixed.left -= piece.stop - piece.start
            if mixed.left:
                return
            del self._groups[piece.group]
            self._joined = None
        for number in piece.group.ranges:
            self._loader.release(number)


class _Mixed:
    """A group whose ranges are loaded: for each event in the group's order its range and its row there."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.left = group.size
        self.rows: list[Rows] = []
        self.files = np.empty(0, dtype=np.int32)
        self.block = np.empty(0, dtype=np.int32)
        self.row = np.empty(0, dtype=np.int64)
        self._ready = False
        self._lock = threading.Lock()

    def prepare(self, loader: Loader[Rows], part: int, order: Order, file_of: Callable[[int], int]) -> None:
        with self._lock:
            if self._ready:
                return
            self.rows = [loader.get(number) for number in self.group.ranges]
            slices = [rows.slice_of(part) for rows in self.rows]
            counts = [where.stop - where.start for where in slices]
            self.block = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
            self.row = np.concatenate([np.arange(where.start, where.stop, dtype=np.int64) for where in slices])
            if order.shuffle:
                permutation = order.generator(*self.group.place).permutation(self.group.size)
                self.block, self.row = self.block[permutation], self.row[permutation]
            self.files = np.array([file_of(number) for number in self.group.ranges], dtype=np.int32)
            self._ready = True


@dataclass(frozen=True, eq=False)
class _Joined:
    """Rows of several groups as sources of one copy; ``bases`` are the numbers of each group's first source."""

    groups: tuple[_Mixed, ...]
    bases: list[int]
    raw: Sources
    side: Sources
    side_dtype: np.dtype[Any]
    files: NDArray[np.int32]

    @staticmethod
    def of(mixed: Sequence[_Mixed]) -> _Joined:
        bases: list[int] = []
        first: dict[int, int] = {}
        rows: list[Rows] = []
        files: list[NDArray[np.int32]] = []
        for one in mixed:
            if id(one) not in first:
                first[id(one)] = len(rows)
                rows += one.rows
                files.append(one.files)
            bases.append(first[id(one)])
        return _Joined(
            tuple(mixed),
            bases,
            Sources([part.raw for part in rows]),
            Sources([part.words for part in rows]),
            rows[0].side.dtype,
            np.concatenate(files),
        )

    def of_these(self, mixed: Sequence[_Mixed]) -> bool:
        """Return true if it was made of exactly these groups."""
        return len(mixed) == len(self.groups) and all(map(operator.is_, mixed, self.groups))


def _blocks(mixed: _Mixed, piece: Piece, base: int) -> NDArray[np.int32]:
    block = mixed.block[piece.start : piece.stop]
    return block + np.int32(base) if base else block
