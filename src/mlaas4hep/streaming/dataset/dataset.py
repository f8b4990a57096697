"""Events as chunks of feature rows: any part of the split, mixed from all files in proportion, as often as wanted.

The order of events is decided by seed and epoch, never by files, workers, memory or caches.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.gather import Sources, gather
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.split import PARTS
from mlaas4hep.streaming.dataset.assemble import Assembler, Chunk
from mlaas4hep.streaming.dataset.block import Block
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.buffers import Buffers
from mlaas4hep.streaming.dataset.loader import Loader
from mlaas4hep.streaming.dataset.order import Order, deal, plan_chunks, reading_order
from mlaas4hep.streaming.dataset.rows import RowReader, Rows, RowsTask, Target, target_dtype
from mlaas4hep.streaming.dataset.store import MemoryStore, NoStore, Store
from mlaas4hep.streaming.execution import Executor, threads
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.ranges import FileRange
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.result import RangeCount, Scan

__all__ = ["Block", "Chunk", "Dataset", "Order", "row_bytes"]

MOST_LANES = 64
AS_STORED = Order()


def row_bytes(layout: Layout) -> int:
    """Return the bytes of an event as it is kept."""
    return 4 * layout.width + 24


class Dataset:
    """The selected events of all files after the first pass.

    Args:
        files: in canonical order.
        scan: the result of the first pass over them.
        layout: the feature columns.
        target: from labels [n] (of the label branch, or the file's) to what the model is to learn [n].
        chunk_size: events a chunk; -1: all in one. Never more than the budget has room for.
        executor: reads ranges; as many threads make chunks.
        budget: memory. Without a store, events stay in memory if half of the budget is enough for all of them.
        store: where events stay once they are read.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        pipeline: Pipeline,
        scan: Scan,
        layout: Layout,
        target: Target,
        *,
        chunk_size: int,
        executor: Executor | None = None,
        budget: Budget,
        store: Store | None = None,
    ) -> None:
        self.files = tuple(files)
        self.scan = scan
        self.layout = layout
        self.target = target
        self.executor = executor or Executor()
        self.budget = budget
        self._reader = RowReader(pipeline, layout, target, Buffers(budget.limit // 8))
        self._transform = layout.prepared
        self._ranges = scan.ranges
        # For all passes: to start a thread takes longer than to make a small chunk.
        self._readers, self._makers = (threads(self.executor.workers, name) for name in ("read", "chunk"))
        fits = self.bytes_of(scan.used) <= budget.keep
        self._store: Store = store or (MemoryStore() if fits else NoStore())
        self._memory: Store = MemoryStore() if fits and store is not None and not store.complete else NoStore()
        most = budget.chunk(self._chunk_row)
        self.chunk_size = most if chunk_size == -1 and scan.used > most else min(chunk_size, most)

    @property
    def _row(self) -> int:
        """Bytes of an event as it is kept."""
        return row_bytes(self.layout)

    @property
    def _chunk_row(self) -> int:
        """Bytes of an event in a chunk."""
        return 4 * self.layout.model_width + 64

    @property
    def least(self) -> int:
        """Memory that a pass takes at the least: the largest range of each file (of each sample, if there are many)."""
        lanes = (max(self._ranges[number][1].used for number in lane) for lane in self._lanes())
        return sum(lanes) * self._row

    @property
    def kept(self) -> int:
        """Memory that events take once all were read."""
        in_memory = isinstance(self._store, MemoryStore) or isinstance(self._memory, MemoryStore)
        return self.bytes_of(self.scan.used) if in_memory else 0

    def forget(self) -> None:
        """Keep no event in memory any more: the next pass reads them again."""
        for store in (self._store, self._memory):
            if isinstance(store, MemoryStore):
                store.close()
        if isinstance(self._store, MemoryStore):
            self._store = NoStore()
        self._memory = NoStore()

    def bytes_of(self, events: int) -> int:
        """Return the bytes that this many events need as they are kept."""
        return events * self._row

    def size(self, part: int) -> int:
        """Return the number of events in a part of the split."""
        return self.scan.part(part)

    def close(self) -> None:
        """Release what is kept in memory or open on disk, and end the threads."""
        for pool in (self._makers, self._readers):
            pool.shutdown(wait=True, cancel_futures=True)
        self._store.close()
        self._memory.close()

    def chunks(self, part: int, order: Order = AS_STORED) -> Generator[Chunk, None, None]:
        """Yield all events of a part once; each chunk holds every file in the proportion of the whole.

        Chunks are made ahead of the caller, in threads, who read ahead of them.
        """
        sizes = {number: found.parts[part] for number, (_, found) in enumerate(self._ranges)}
        window = self.budget.window(self._row)
        lanes = deal(self._lanes(), sizes, order, window)
        if not lanes:
            return
        numbers = reading_order(lanes)
        rows = {number: self._rows_of(number, part) for number in numbers}
        loader = self._loader(numbers, rows, part, 2 * window)
        assembler = Assembler(
            loader,
            part,
            order,
            len(lanes),
            self._transform,
            self.layout.model_width,
            lambda number: self.files[self._ranges[number][0]].index,
            self._reader.buffers,
        )
        count = sum(lane.size for lane in lanes) if self.chunk_size == -1 else self.chunk_size
        ahead = self.budget.ahead(count * self._chunk_row, self.executor.workers)
        try:
            plans = plan_chunks(lanes, self.chunk_size)
            yield from Executor(self.executor.workers, self._makers).map(assembler.make, plans, ahead)
        finally:
            loader.close()

    def load(self, part: int) -> Chunk:
        """Return all events of a part in memory, as they lie in the files, file by file."""
        size = self.size(part)
        x = np.empty((size, self.layout.model_width), dtype=np.float32)
        y: NDArray[Any] = np.empty(size, dtype=target_dtype(self.target))
        weight, file, entry = np.empty(size), np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int64)
        at = 0
        for number, rows in self._in_order(part):
            where = rows.slice_of(part)
            to = slice(at, at + where.stop - where.start)
            index = np.arange(where.start, where.stop, dtype=np.int64)
            gather(x[to], Sources([rows.raw]), None, index, self._transform)
            side = rows.side[where]
            y[to], weight[to], entry[to] = side["y"], side["weight"], side["entry"]
            file[to] = self.files[self._ranges[number][0]].index
            at = to.stop
        return Chunk(x, y, weight, file, entry)

    def head(self, part: int, events: int) -> Block:
        """Return the first events of a part, about ``events`` in all, of every file in the proportion of the whole.

        Of many files, some that are spread over all of them.
        """
        numbers = sorted({file for file, found in self._ranges if found.parts[part]})
        numbers = numbers[:: -(-len(numbers) // MOST_LANES) or 1]
        total = sum(self.scan.files[file].part(part) for file in numbers)
        left = {file: -(-events * self.scan.files[file].part(part) // total) for file in numbers}
        blocks: list[Block] = []
        for number, (file, found) in enumerate(self._ranges):
            size = min(left.get(file, 0), found.parts[part])
            if size:
                left[file] -= size
                rows = self._get(number, part)
                begin = rows.bounds[part]
                side, raw = rows.side[begin : begin + size], rows.raw[begin : begin + size].copy()
                parts, files = np.full(size, part, np.int8), np.full(size, self.files[file].index, np.int32)
                blocks.append(Block(raw, side["y"], side["weight"], parts, files, side["entry"]))
        return Block.join(blocks)

    def fill(self) -> Iterator[int]:
        """Read all events in the order of the files, if they are kept and are not there yet; yield their numbers.

        Files that can only be read from the beginning on are read once by this, and never again in another order.
        """
        if (self._store.keeps or self._memory.keeps) and not self._store.complete:
            for _, rows in self._in_order(None):
                yield len(rows)

    def in_order(self, part: int | None = None, *, as_given: bool = False) -> Iterator[Block]:
        """All events of a part (or of all) as they lie in the files, file by file (``as_given``: the user's order)."""
        for number, rows in self._in_order(part, as_given=as_given):
            where = slice(0, len(rows)) if part is None else rows.slice_of(part)
            side = rows.side[where]
            parts = np.repeat(np.arange(len(PARTS), dtype=np.int8), np.diff(rows.bounds))[where]
            files = np.full(len(side), self.files[self._ranges[number][0]].index, dtype=np.int32)
            block = Block(rows.raw[where], side["y"], side["weight"], parts, files, side["entry"])
            yield block.take(np.argsort(block.entry)) if part is None else block

    def _in_order(self, part: int | None, *, as_given: bool = False) -> Iterator[tuple[int, Rows]]:
        numbers = [
            n for n, (_, found) in enumerate(self._ranges) if (found.used if part is None else found.parts[part])
        ]
        if as_given:
            numbers.sort(key=lambda n: (self.files[self._ranges[n][0]].index, n))
        rows = {number: self._rows_of(number, part) for number in numbers}
        loader = self._loader(numbers, rows, part, self.budget.window(self._row))
        try:
            for number in numbers:
                yield number, loader.get(number)
                loader.release(number)
        finally:
            loader.close()

    def _loader(self, numbers: Sequence[int], rows: dict[int, int], part: int | None, budget: int) -> Loader[Rows]:
        def read(number: int) -> Rows:
            return self._get(number, part)

        return Loader(numbers, rows, read, pool=self._readers, budget=budget, at_hand=self._at_hand)

    def _at_hand(self, number: int) -> Rows | None:
        kept = self._memory.at_hand(number)
        return kept if kept is not None else self._store.at_hand(number)

    def _get(self, number: int, part: int | None) -> Rows:
        """The rows of a range, from where they are kept or from the file; called in threads."""
        for store in (self._memory, self._store):
            kept = store.get(number)
            if kept is not None:
                return kept
        file, found = self._ranges[number]
        keeps = self._store.keeps or self._memory.keeps
        where = FileRange(self.files[file], found.start, found.stop, file, found.used)
        rows = self.executor.call(self._reader, RowsTask(where, found.parts, None if keeps else part))
        for store in (self._memory, self._store):
            store.put(number, rows)
        return rows

    def _rows_of(self, number: int, part: int | None) -> int:
        """Events in memory when a range is loaded."""
        found: RangeCount = self._ranges[number][1]
        if part is None or self._store.keeps or self._memory.keeps:
            return found.used
        return found.parts[part]

    def _lanes(self) -> list[list[int]]:
        """Numbers of the ranges of each file; of each sample, if there are many files."""
        used = {file for file, _ in self._ranges}
        lanes: dict[object, list[int]] = {}
        for number, (file, _) in enumerate(self._ranges):
            lanes.setdefault(file if len(used) <= MOST_LANES else self.files[file].sample.name, []).append(number)
        return list(lanes.values())
