"""JSON: one object per line, or one list of objects; also compressed.

One pass at opening counts the objects and decides the type of each column on the whole file.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any

from mlaas4hep.errors import FileReadError
from mlaas4hep.errors.reading import CorruptFileError
from mlaas4hep.errors.text import first_line
from mlaas4hep.streaming.readers.common import clusters_of
from mlaas4hep.streaming.readers.files import digest, open_bytes
from mlaas4hep.streaming.readers.tables.records import BLOCK, Record, RecordReader, Survey

__all__ = ["JsonSource"]

_BUFFER = 1 << 20
_LARGEST = 1 << 26
_SPACE = re.compile(r"\s*")


class JsonSource(RecordReader):
    """A JSON file.

    Raises:
        FileReadError: no such file, no JSON (with the line), or something other than objects.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._identity = digest(path)
        survey = Survey()
        for record in self._records():
            survey.add(record)
        self._entries = survey.entries
        self._branches = survey.branches()
        self._clusters = clusters_of(range(0, self._entries, BLOCK), self._entries)

    def _records(self) -> Iterator[Record]:
        with open_bytes(self._path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig") as text:
            try:
                yield from self._list(text) if self._is_list() else self._lines(text)
            except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
                raise CorruptFileError(f"is not valid JSON: {first_line(error)}", where=self._path, hint="") from error

    def _is_list(self) -> bool:
        with open_bytes(self._path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig") as text:
            first = text.read(1)
            while first.isspace():
                first = text.read(1)
            return first == "["

    def _lines(self, text: IO[str]) -> Iterator[Record]:
        for number, line in enumerate(text, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                raise self._error(number, error.msg) from error
            yield self._object(value, number)

    def _list(self, text: IO[str]) -> Iterator[Record]:
        """Objects of a list of any length; memory holds a few of them."""
        stream = _Stream(text)
        stream.peek()
        stream.skip()
        separator = "]" if stream.peek() == "]" else ","
        while separator == ",":
            try:
                value = stream.value()
            except json.JSONDecodeError as error:
                cut = error.pos >= stream.size or error.msg.startswith("Unterminated")
                what = "the list does not end: the file is truncated" if cut else error.msg
                raise self._error(stream.line_of(error), what) from error
            yield self._object(value, stream.line)
            separator = stream.peek()
            if separator != ",":
                break
            stream.skip()
        if separator != "]":
            what = (
                f"expecting , or ] and not {separator}" if separator else "the list does not end: the file is truncated"
            )
            raise self._error(stream.line, what)
        stream.skip()
        if stream.peek():
            raise self._error(stream.line, "something follows the list")

    def _object(self, value: Any, line: int) -> Record:
        if not isinstance(value, dict):
            raise self._error(line, "expecting an object with the names and values of one event")
        return value

    def _error(self, line: int, what: str) -> FileReadError:
        return CorruptFileError(f"is not valid JSON: line {line}: {what}", where=self._path, hint="")


class _Stream:
    """Text read piece by piece, with the line it is at."""

    def __init__(self, text: IO[str]) -> None:
        self.line = 1
        self._text, self._buffer, self._at = text, "", 0
        self._decode = json.JSONDecoder().raw_decode

    @property
    def size(self) -> int:
        """Characters at hand."""
        return len(self._buffer.rstrip())

    def more(self) -> bool:
        """Read another piece; false at the end."""
        piece = self._text.read(max(_BUFFER, len(self._buffer) - self._at))
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece)

    def peek(self) -> str:
        """Return the next character that is not a space, not taken; empty at the end."""
        while True:
            end = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            self._go(end)
            if end < len(self._buffer):
                return self._buffer[end]
            if not self.more():
                return ""

    def skip(self) -> None:
        """Take one character."""
        self._go(self._at + 1)

    def value(self) -> Any:
        """Take one value."""
        while True:
            self.peek()
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError:
                if len(self._buffer) - self._at > _LARGEST:
                    raise
                if not self.more():
                    self._decode(self._buffer, self._at)
                    raise
            else:
                self._go(end)
                return value

    def line_of(self, error: json.JSONDecodeError) -> int:
        """Return the line at which an error of `value` is."""
        return self.line + self._buffer.count("\n", self._at, error.pos)

    def _go(self, end: int) -> None:
        self.line += self._buffer.count("\n", self._at, end)
        self._at = end
