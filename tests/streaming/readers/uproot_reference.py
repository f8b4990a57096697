"""What uproot alone reads, as our columns, to compare with what is read from baskets directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.ttree.baskets.reader import read_baskets
from mlaas4hep.streaming.readers.ttree.source import TTreeSource

__all__ = ["assert_same", "direct", "open_tree", "part", "reference"]


def open_tree(path: Path | str, tree: str = "Events") -> TTreeSource:
    """A TTree through the factory."""
    source = open_source(str(path), tree)
    assert isinstance(source, TTreeSource)
    return source


def direct(source: TTreeSource, names: list[str], start: int, stop: int) -> dict[str, Column]:
    """What is read without uproot; any failure is an error, nothing is left to uproot."""
    return read_baskets(source._object.file.source, source.direct(names), start, stop)


def reference(tbranch: Any, start: int, stop: int) -> Column:
    """What uproot reads: flat, or the lists of each entry (fixed-size arrays are lists of one length)."""
    array = tbranch.array(entry_start=start, entry_stop=stop, library="ak")
    if array.ndim == 1:
        return np.asarray(ak.to_numpy(array))
    counts = ak.to_numpy(ak.num(array)).astype(np.int64) if len(array) else np.zeros(0, np.int64)
    while array.ndim > 2:
        array = ak.flatten(array, axis=2)
        counts = ak.to_numpy(ak.num(array)).astype(np.int64) if len(array) else counts
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Jagged(offsets, ak.to_numpy(ak.flatten(array, axis=None)))


def assert_same(ours: Column, theirs: Column) -> None:
    """Bit for bit, and of the same type."""
    assert isinstance(ours, Jagged) == isinstance(theirs, Jagged)
    if isinstance(ours, Jagged) and isinstance(theirs, Jagged):
        assert ours.offsets.dtype == np.int64
        np.testing.assert_array_equal(ours.offsets, theirs.offsets)
        ours, theirs = ours.content, theirs.content
    assert isinstance(ours, np.ndarray)
    assert isinstance(theirs, np.ndarray)
    assert ours.dtype == theirs.dtype
    assert ours.dtype.isnative
    assert ours.shape == theirs.shape
    assert ours.tobytes() == theirs.tobytes()


def part(column: Column, start: int, stop: int) -> Column:
    """Some entries of what uproot read of all."""
    if isinstance(column, Jagged):
        offsets = column.offsets[start : stop + 1]
        return Jagged(offsets - offsets[0], column.content[offsets[0] : offsets[-1]])
    return column[start:stop]
