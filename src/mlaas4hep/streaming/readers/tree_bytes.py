"""ROOT's serialisation, as far as the head of a TTree needs it: byte counts, class tags, references, names, arrays.

An object begins with the number of its bytes and a version. Objects in a list have one more such number and a tag
before them: the name of the class if it is the first of its kind, else where that name was. What was written before is
a reference. References count from 2 bytes before the key of the tree, which is in front of these bytes in the file.
"""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import Any

__all__ = ["Cursor", "SurpriseError"]

_COUNT_LESS_ITSELF = 0x40000000 - 4
"""To be taken off a byte count: the bit that marks it, less its own size. Without the bit an end would be negative."""
_NEW_CLASS = 0xFFFFFFFF
_CLASS = 0x80000000
_MAP_OFFSET = 2
_REFERENCED = 1 << 4
_LONG_TEXT = 255
_LONGEST_CLASS_NAME = 80
_ARRAY_FLAGS = (1, 2)
_LIST_VERSION = 3

_HEADER = struct.Struct(">IH")
_NAMED = struct.Struct(">IHHII")
_LIST = struct.Struct(">IHHIIBii")
_ITEM = struct.Struct(">II")
_WORD = struct.Struct(">I")


class SurpriseError(Exception):
    """The bytes are not what is known here, or damaged; only seen within this package."""


class Cursor:
    """A place in the decompressed bytes of a key, which moves on with everything that is read.

    Every method raises `SurpriseError`, or an error of Python for what lies behind the end, if the bytes are not as
    expected. Nothing is allocated for a count before that many bytes are known to be there.

    Args:
        data: the bytes.
        key_length: of the key before them.
    """

    __slots__ = ("_at", "_classes", "_data", "_shift", "_size")

    def __init__(self, data: bytes, key_length: int) -> None:
        self._data, self._size = data, len(data)
        self._at = 0
        self._shift = key_length + _MAP_OFFSET
        self._classes: dict[int, str] = {}

    def fields(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Numbers."""
        values = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values

    def begin(self, versions: Container[int]) -> tuple[int, int]:
        """The version of the object that begins here, and where it ends."""
        at = self._at
        count, version = _HEADER.unpack_from(self._data, at)
        self._at = at + _HEADER.size
        end: int = at + count - _COUNT_LESS_ITSELF
        if version not in versions or not self._at <= end <= self._size:
            msg = f"version {version} is not known, or an object is larger than what there is"
            raise SurpriseError(msg)
        return version, end

    def end(self, *ends: int) -> None:
        """Check that objects end here."""
        for end in ends:
            if self._at != end:
                msg = f"an object ends at {end}, not {self._at}"
                raise SurpriseError(msg)

    def skip(self, size: int) -> None:
        """Skip so many bytes; what is checked next notices if they are not there."""
        self._at += size

    def skip_object(self, versions: Container[int], size: int | None = None) -> None:
        """Skip an object; of so many bytes behind its version, if that is known."""
        _, end = self.begin(versions)
        if size is not None and self._at + size != end:
            msg = f"an object has not {size} bytes"
            raise SurpriseError(msg)
        self._at = end

    def text(self) -> str:
        """A name or title."""
        begin = self._at + 1
        length = self._data[begin - 1]
        if length == _LONG_TEXT:
            (length,) = _WORD.unpack_from(self._data, begin)
            begin += _WORD.size
        self._at = end = begin + length
        if end > self._size:
            msg = "a text ends too late"
            raise SurpriseError(msg)
        return self._data[begin:end].decode(errors="surrogateescape")

    def named(self) -> tuple[str, str]:
        """Name and title of an object that has both."""
        at = self._at
        count, version, inner, _, bits = _NAMED.unpack_from(self._data, at)
        if version != 1 or inner != 1 or bits & _REFERENCED:
            msg = "a name is of an unknown version, or others refer to it"
            raise SurpriseError(msg)
        self._at = at + _NAMED.size
        name, title = self.text(), self.text()
        if self._at != at + count - _COUNT_LESS_ITSELF:
            msg = "a name has a wrong size"
            raise SurpriseError(msg)
        return name, title

    def items(self) -> tuple[int, int]:
        """How many items the list has that begins here, and where it ends."""
        at = self._at
        count, version, inner, _, bits, name, size, first = _LIST.unpack_from(self._data, at)
        self._at = at + _LIST.size
        end: int = at + count - _COUNT_LESS_ITSELF
        if version != _LIST_VERSION or inner != 1 or bits & _REFERENCED or name or first:
            msg = "a list is of an unknown version, or has a name or another lower bound"
            raise SurpriseError(msg)
        if end > self._size or not 0 <= size <= (end - self._at) // _WORD.size:
            msg = "a list has too many items, or is larger than what there is"
            raise SurpriseError(msg)
        return size, end

    def item(self) -> tuple[str, int, int]:
        """Class of the item that begins here, the number by which others refer to it, and where it ends."""
        at = self._at
        count, tag = _ITEM.unpack_from(self._data, at)
        self._at = at + _ITEM.size
        end: int = at + count - _COUNT_LESS_ITSELF
        name = self._classes.get(tag - _CLASS)
        if tag == _NEW_CLASS:
            stop = self._data.index(b"\0", self._at, self._at + _LONGEST_CLASS_NAME)
            name = self._data[self._at : stop].decode("ascii")
            self._classes[at + _WORD.size + self._shift] = name
            self._at = stop + 1
        if name is None or not self._at <= end <= self._size:
            msg = "an item has an unknown class, was written before, or is larger than what there is"
            raise SurpriseError(msg)
        return name, at + self._shift, end

    def reference(self) -> int:
        """The number of an item that was written before; 0: none."""
        (number,) = self.fields(_WORD)
        return int(number)

    def array(self, count: int, item: int, used: int | None = None) -> bytes:
        """So many numbers of so many bytes each, behind a byte that says whether there are any.

        Returns:
            The bytes as they are, of all numbers or of the first `used`.
        """
        at = self._at
        end = at + 1 + count * item
        if not at < end <= self._size or (count and self._data[at] not in _ARRAY_FLAGS):
            msg = "an array is not there, or the bytes end too early"
            raise SurpriseError(msg)
        self._at = end
        return self._data[at + 1 : end if used is None else at + 1 + used * item]

    def rest(self) -> bytes:
        """All that is left."""
        at, self._at = self._at, self._size
        return self._data[at:]
