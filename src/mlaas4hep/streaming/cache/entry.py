"""A published entry, open for reading."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from mlaas4hep.streaming.cache.blocks import Arrays, Blocks
from mlaas4hep.streaming.cache.descriptor import read_at
from mlaas4hep.streaming.cache.head import Damaged, Table, file_size, head_size, table_of
from mlaas4hep.streaming.cache.opening import open_file, reason, remove_file, touch
from mlaas4hep.streaming.cache.shape import Shape

__all__ = ["Entry", "open_entry"]


class Entry:
    """A published entry; `Cache.open` gives it. Any thread may read.

    Attributes:
        shape: what it holds.
    """

    def __init__(self, shape: Shape, blocks: Blocks, table: Table, damaged: Callable[[str], None]) -> None:
        self.shape = shape
        self._blocks = blocks
        self._table = table
        self._damaged = damaged
        self._over = False

    def __enter__(self) -> Entry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def read(self, number: int) -> Arrays | None:
        """Return one range: ``x``, float32 [n, D], and the columns, each [n]; read-only.

        Returns:
            None if the entry turned out to be damaged, now or before, or is closed. Then it has been removed,
            so that it can be created anew.
        """
        if self._over:
            return None
        try:
            return self._blocks.read(number, self._table)
        except (Damaged, OSError) as error:
            if not self._over:
                self.close()
                self._damaged(reason(error))
            return None

    def close(self) -> None:
        """No more reading; arrays given out stay valid."""
        self._over = True
        self._blocks.close()


def open_entry(path: Path, key: str, shape: Shape, *, mapped: bool, damaged: Callable[[str], None]) -> Entry:
    """Open an entry whose head is as it was written for this key and shape; its ranges are verified when read.

    Args:
        path: of the file.
        key: of the content.
        shape: that it must have.
        mapped: see `Blocks`.
        damaged: told if damage shows later, after the file was removed.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it is not as it was written; the file has been removed if that was possible.
        OSError: the system refuses.
    """
    status: os.stat_result | None = None
    try:
        descriptor, status = open_file(path)
        if status.st_size != file_size(shape):
            what = f"it has {status.st_size} bytes, not {file_size(shape)}"
            raise Damaged(what)
        head = bytearray(head_size(shape))
        with descriptor.use() as number, memoryview(head) as view:
            count = read_at(number, view, 0)
        table = table_of(bytes(head[:count]), key, shape)
    except Damaged:
        remove_file(path, status)
        raise
    touch(descriptor)

    def remove(what: str) -> None:
        with suppress(OSError):
            remove_file(path, status)
        damaged(what)

    return Entry(shape, Blocks(descriptor, shape, mapped=mapped), table, remove)
