"""Shapes and arrays that the tests store, and the check that what comes back is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.streaming.cache import Arrays, Entry, Shape, Writer, content_key

COLUMNS: dict[str, Any] = {
    "y": np.int64,
    "weight": np.float64,
    "part": np.int8,
    "file": np.int32,
    "entry": np.int64,
}
SHAPE = Shape((3, 0, 5, 1), COLUMNS, 2)
KEY = content_key({"what": "the content of these tests"})
OTHER = content_key({"what": "another content"})


def arrays(shape: Shape, number: int, seed: int = 0) -> Arrays:
    """Any bytes at all, so also NaNs: what a range holds follows from its number."""
    generator = np.random.default_rng([seed, number])
    rows = shape.ranges[number]

    def some(dtype: np.dtype[Any], *dimensions: int) -> NDArray[Any]:
        if dtype.kind == "b":
            return generator.integers(0, 2, dimensions).astype(dtype)
        if dtype.kind == "U":
            return generator.integers(0, 10**6, dimensions).astype(dtype)
        count = int(np.prod(dimensions)) * dtype.itemsize
        return (
            np.frombuffer(generator.bytes(count), dtype).reshape(dimensions) if count else np.empty(dimensions, dtype)
        )

    found = {"x": some(np.dtype(np.float32), rows, shape.width)}
    return found | {name: some(dtype, rows) for name, dtype in shape.columns}


def same(found: Mapping[str, NDArray[Any]] | None, shape: Shape, number: int, seed: int = 0) -> bool:
    """Whether these are the arrays of the range, byte by byte."""
    wanted = arrays(shape, number, seed)
    return (
        found is not None
        and set(found) == set(wanted)
        and all(found[name].dtype == array.dtype for name, array in wanted.items())
        and all(found[name].shape == array.shape for name, array in wanted.items())
        and all(found[name].tobytes() == array.tobytes() for name, array in wanted.items())
    )


def fill(writer: Writer | None, seed: int = 0) -> None:
    """Write all ranges and close."""
    assert writer is not None
    with writer:
        for number, rows in enumerate(writer.shape.ranges):
            assert writer.write(number, arrays(writer.shape, number, seed)) == bool(rows)
        assert writer.published


def whole(entry: Entry | None) -> bool:
    """Whether an entry of KEY is there and right."""
    if entry is None:
        return False
    with entry:
        return all(same(entry.read(number), entry.shape, number) for number in range(len(entry.shape.ranges)))
