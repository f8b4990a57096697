"""An entry while it is written, range by range, from any threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from mlaas4hep.streaming.cache.blocks import Arrays, Blocks
from mlaas4hep.streaming.cache.descriptor import write_at
from mlaas4hep.streaming.cache.head import Damaged, encode, new_table
from mlaas4hep.streaming.cache.opening import reason, remove_file
from mlaas4hep.streaming.cache.partial import Partial
from mlaas4hep.streaming.cache.shape import Shape

__all__ = ["Writer"]


class Writer:
    """A new entry; `Cache.create` gives it.

    The last range makes it visible to others. Whatever ends this before leaves nothing; use it with ``with``.

    Args:
        key: of the content.
        shape: what it will hold.
        file: of the full size.
        mapped: how to read, see `Blocks`.
        lost: told once, with the reason, if writing has failed or what was written is damaged; the file is gone then.

    Attributes:
        shape: what it will hold.
    """

    def __init__(self, key: str, shape: Shape, file: Partial, lost: Callable[[str], None], *, mapped: bool) -> None:
        self.shape = shape
        self._key = key
        self._file = file
        self._lost = lost
        self._blocks = Blocks(file.descriptor, shape, mapped=mapped)
        self._table = new_table(shape)
        self._begun = bytearray(not rows for rows in shape.ranges)
        self._written = bytearray(self._begun)
        self._lock = Lock()
        self._over = self._published = False
        if 0 not in self._written:
            self._publish()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def published(self) -> bool:
        """Whether the entry is complete and others can open it."""
        return self._published

    def write(self, number: int, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Write one range; the last one publishes the entry.

        Args:
            number: of the range.
            arrays: ``x``, float32 [n, D], and the columns of the shape, each [n]. They must not change meanwhile.

        Returns:
            Whether it stands in the cache. Not so if the range was written before or has no rows, if the writer has
            given up or is closed, or in a forked child.

        Raises:
            ValueError: these are not the arrays that the shape promised.
        """
        checked = self.shape.check(number, arrays)
        if not self._file.ours:
            return False
        with self._lock:
            if self._over or self._begun[number]:
                return False
            self._begun[number] = 1
        try:
            self._table[number] = self._blocks.write(number, checked)
        except OSError as error:
            self._give_up(error)
            return False
        except BaseException:
            self._begun[number] = 0
            raise
        with self._lock:
            self._written[number] = 1
            last = 0 not in self._written
        return self._publish() if last else not self._over

    def read(self, number: int) -> Arrays | None:
        """Return one range that was written before: ``x``, float32 [n, D], and the columns, each [n]; read-only.

        Returns:
            None if it is not there yet, or the writer has given up or is closed.
        """
        if self._over or not self._written[number]:
            return None
        try:
            return self._blocks.read(number, self._table)
        except (Damaged, OSError) as error:
            self._give_up(error)
            return None

    def close(self) -> None:
        """No more writing and reading; an unpublished entry is removed. Arrays given out stay valid."""
        self._over = True
        self._file.discard()
        self._blocks.close()

    def _publish(self) -> bool:
        try:
            with self._file.descriptor.use() as number:
                write_at(number, memoryview(encode(self._key, self.shape, self._table)), 0)
            self._file.publish()
        except OSError as error:
            self._give_up(error)
            return False
        self._published = True
        return True

    def _give_up(self, error: Damaged | OSError) -> None:
        with self._lock:
            first, self._over = not self._over, True
        if not first:
            return
        if self._published:
            with suppress(OSError), self._file.descriptor.use() as number:
                remove_file(self._file.path, os.fstat(number))
        self.close()
        self._lost(reason(error))
