"""ROOT's serialisation, as far as the head of a TTree needs it: byte counts, class tags, references, names, arrays.

An object begins with the number of its bytes and a version. Objects in a list have one more such number and a tag
before them: the name of the class if it is the first of its kind, else where that name was. What was written before is
a reference. References count from 2 bytes before the key of the tree, which is in front of these bytes in the file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["Cursor", "SurpriseError", "require"]

_COUNTED = 0x40000000
_NEW_CLASS = 0xFFFFFFFF
_CLASS = 0x80000000
_MAP_OFFSET = 2
_REFERENCED = 1 << 4
_LONG_TEXT = 255
_LIST_VERSION = 3

_BYTE, _WORD = np.dtype([("value", "u1")]), np.dtype([("value", ">u4")])
_HEADER = np.dtype([("count", ">u4"), ("version", ">u2")])
_OBJECT = [("inner", ">u2"), ("identifier", ">u4"), ("bits", ">u4")]
_NAMED = np.dtype([*_HEADER.descr, *_OBJECT])
_LIST = np.dtype([*_HEADER.descr, *_OBJECT, ("name", "u1"), ("size", ">i4"), ("first", ">i4")])
_ITEM = np.dtype([("count", ">u4"), ("tag", ">u4")])

Places = NDArray[np.int64]


class SurpriseError(Exception):
    """The bytes are not what is known here, or damaged; only seen within this package."""


class Cursor:
    """Places in the decompressed bytes of a key, in objects that are alike; all move on together with what is read.

    To read the same of a thousand branches at once takes little longer than of one. Every method raises
    `SurpriseError`, or an error of Python for what lies behind the end, if the bytes of one are not as expected.
    Nothing is allocated for a number in the bytes before that many bytes are known to be there.

    Args:
        data: the bytes.
        key_length: of the key before them.
        places: where the objects begin, in ascending order.
    """

    def __init__(self, data: bytes, key_length: int, places: Places) -> None:
        self._data, self._length = data, key_length
        self._bytes = np.frombuffer(data, dtype=np.uint8)
        self._at = places

    def fields(self, layout: np.dtype[Any]) -> NDArray[Any]:
        """Return a record at each place."""
        rows = sliding_window_view(self._bytes, layout.itemsize)[self._at]
        self._at = self._at + layout.itemsize
        return rows.view(layout)[:, 0]

    def begin(self, *versions: int) -> tuple[int, Places]:
        """The version of the objects that begin here, which must be one for all (any one: 0), and where they end."""
        at = self._at
        head = self.fields(_HEADER)
        version = int(head["version"][0])
        if versions:
            require(head["version"] == version, version in versions)
        return version, self._ends(at, head)

    def end(self, *ends: Places) -> None:
        """Check that objects end here."""
        require(*(self._at == end for end in ends))

    def skip(self, sizes: int | Places) -> None:
        """Skip this many bytes; what is checked next notices if they are not there."""
        self._at = self._at + sizes

    def skip_object(self, *versions: int, size: int | None = None) -> None:
        """Skip an object; of this many bytes behind its version, if that is known."""
        _, ends = self.begin(*versions)
        require(True if size is None else self._at + size == ends)
        self._at = ends

    def spans(self) -> list[slice]:
        """Return where names or titles are; `text` gives them."""
        lengths = self.fields(_BYTE)["value"].astype(np.int64)
        long = lengths == _LONG_TEXT
        if long.any():
            inner = Cursor(self._data, self._length, self._at[long])
            lengths[long] = inner.fields(_WORD)["value"]
            self._at = self._at + _WORD.itemsize * long
        begin, self._at = self._at, self._at + lengths
        require(self._at <= len(self._data))
        return list(map(slice, begin.tolist(), self._at.tolist()))

    def text(self, span: slice) -> str:
        """Return a name or title."""
        return self._data[span].decode(errors="surrogateescape")

    def named(self) -> tuple[list[slice], list[slice]]:
        """Return names and titles of objects that have both."""
        at = self._at
        head = self.fields(_NAMED)
        require(head["version"] == 1, head["inner"] == 1, head["bits"] & _REFERENCED == 0)
        names, titles = self.spans(), self.spans()
        self.end(self._ends(at, head))
        return names, titles

    def items(self) -> tuple[NDArray[np.int32], Places]:
        """Return how many items the lists have that begin here, and where they end."""
        at = self._at
        head = self.fields(_LIST)
        require(head["version"] == _LIST_VERSION, head["inner"] == 1, head["bits"] & _REFERENCED == 0)
        require(head["name"] == 0, head["first"] == 0)
        ends = self._ends(at, head)
        require(head["size"] >= 0, head["size"] <= (ends - self._at) // _WORD.itemsize)
        return head["size"], ends

    def each(self, count: int) -> Cursor:
        """Return a place at each of this many items of the one list that begin here; this cursor goes behind them."""
        at, places = int(self._at[0]), []
        for _ in range(count):
            places.append(at)
            size = int.from_bytes(self._data[at : at + _WORD.itemsize], "big") - _COUNTED
            if not 0 <= size <= len(self._data) - at:
                msg = "an item does not say its size, or is larger than what there is"
                raise SurpriseError(msg)
            at += size + _WORD.itemsize
        self._at = np.array([at], dtype=np.int64)
        return Cursor(self._data, self._length, np.array(places, dtype=np.int64))

    def item(self, width: int) -> tuple[list[str], list[int], Places]:
        """Classes of the items that begin here, the numbers by which others refer to them, and where they end.

        Args:
            width: letters of the names of all their classes, and the zero behind them.
        """
        at = self._at
        head = self.fields(_ITEM)
        ends = self._ends(at, head)
        shifted = at + (self._length + _MAP_OFFSET)
        new = head["tag"] == _NEW_CLASS
        rows = sliding_window_view(self._bytes, width)[self._at[new]]
        require(rows[:, -1] == 0)
        names = [name.decode("ascii") for name in rows.view(f"S{width}")[:, 0].tolist()]
        known = dict(zip((shifted[new] + _WORD.itemsize).tolist(), names, strict=True))
        self._at = self._at + width * new
        places = np.where(new, shifted + _WORD.itemsize, head["tag"].astype(np.int64) - _CLASS)
        require(places <= shifted + _WORD.itemsize)
        return [known[place] for place in places.tolist()], shifted.tolist(), ends

    def array(self, counts: Places, item: int) -> list[int]:
        """Return where arrays of this many numbers, of ``item`` bytes each, begin, behind a byte: are there any?"""
        flags = self.fields(_BYTE)["value"]
        require((counts == 0) | (flags == 1) | (flags == 2))
        begin, self._at = self._at, self._at + counts * item
        require(self._at <= len(self._data))
        places: list[int] = begin.tolist()
        return places

    def part(self, begin: int, size: int) -> bytes:
        """Return bytes that are known to be there."""
        return self._data[begin : begin + size]

    def rest(self) -> bytes:
        """Return all that is left behind the one place."""
        at, self._at = int(self._at[0]), np.array([len(self._data)])
        return self._data[at:]

    def _ends(self, begin: Places, head: NDArray[Any]) -> Places:
        """Where objects end that begin there."""
        ends: Places = begin + _WORD.itemsize + (head["count"].astype(np.int64) - _COUNTED)
        require(ends >= self._at, ends <= len(self._data))
        return ends


def require(*true: NDArray[np.bool_] | bool) -> None:
    """Raise `SurpriseError` unless all is true."""
    if not all(np.all(each) for each in true):
        msg = "the bytes do not match the known format"
        raise SurpriseError(msg)
