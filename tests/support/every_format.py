"""The same events written in every format of data files, each with its own library."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import fastavro
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

__all__ = ["FLAT_ONLY", "WRITERS", "Events"]

Events = Mapping[str, Any]
"""Columns by name in alphabetical order: numpy arrays, or awkward arrays of lists of numbers."""

FLAT_ONLY = frozenset({"csv", "csv.xz", "tsv.bz2"})
"""Formats that have no lists."""

_AVRO = {"float32": "float", "float64": "double", "int32": "int", "int64": "long", "bool": "boolean"}


def _rows(events: Events) -> list[dict[str, Any]]:
    return [
        dict(zip(events, row, strict=True))
        for row in zip(*(ak.to_list(column) for column in events.values()), strict=True)
    ]


def _dtype(column: Any) -> np.dtype[Any]:
    return np.dtype(column.dtype if isinstance(column, np.ndarray) else ak.to_numpy(ak.flatten(column)).dtype)


def _lists(column: Any) -> list[np.ndarray[Any, Any]]:
    return [ak.to_numpy(row) for row in column]


def ttree(path: Path, events: Events) -> None:
    """A TTree of several baskets."""
    types = {n: c.dtype if isinstance(c, np.ndarray) else f"var * {_dtype(c)}" for n, c in events.items()}
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", types)
        size = len(next(iter(events.values())))
        for start in range(0, size, 17):
            tree.extend({name: column[start : start + 17] for name, column in events.items()})


def rntuple(path: Path, events: Events) -> None:
    """An RNTuple."""
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", dict(events))


def parquet(path: Path, events: Events) -> None:
    """Parquet of many row groups; lists are list columns."""
    columns = {
        name: pa.array(column)
        if isinstance(column, np.ndarray)
        else pa.array(ak.to_list(column), type=pa.list_(pa.from_numpy_dtype(_dtype(column))))
        for name, column in events.items()
    }
    pq.write_table(pa.table(columns), path, row_group_size=13)


def json_lines(path: Path, events: Events) -> None:
    """One object a line."""
    _write(path, "".join(f"{json.dumps(row)}\n" for row in _rows(events)))


def json_list(path: Path, events: Events) -> None:
    """A list of objects."""
    _write(path, json.dumps(_rows(events), indent=2))


def csv(path: Path, events: Events) -> None:
    """CSV, or tabs between the columns; NaN is an empty cell."""
    sign = "\t" if path.name.endswith(".tsv.bz2") else ","

    def cell(value: Any) -> str:
        return "" if isinstance(value, float) and np.isnan(value) else str(value)

    lines = [sign.join(events), *(sign.join(map(cell, row.values())) for row in _rows(events))]
    _write(path, "\n".join([*lines, ""]))


def avro(path: Path, events: Events) -> None:
    """Avro of several blocks; lists are arrays."""
    fields = [
        {"name": n, "type": kind if isinstance(c, np.ndarray) else {"type": "array", "items": kind}}
        for n, c in events.items()
        for kind in [_AVRO[str(_dtype(c))]]
    ]
    content = io.BytesIO()
    schema = {"type": "record", "name": "event", "fields": fields}
    fastavro.writer(content, schema, _rows(events), sync_interval=200)
    path.write_bytes(content.getvalue())


def hdf5_group(path: Path, events: Events) -> None:
    """A data set a column in a group; lists have varying length."""
    with h5py.File(path, "w") as file:
        for name, column in events.items():
            if isinstance(column, np.ndarray):
                file.create_dataset(f"Events/{name}", data=column, chunks=(16,), compression="gzip")
                continue
            item = file.create_dataset(f"Events/{name}", (len(column),), dtype=h5py.vlen_dtype(_dtype(column)))
            for entry, row in enumerate(_lists(column)):
                item[entry] = row


def hdf5_compound(path: Path, events: Events) -> None:
    """A compound data set."""
    kinds = [(n, c.dtype if isinstance(c, np.ndarray) else h5py.vlen_dtype(_dtype(c))) for n, c in events.items()]
    table = np.empty(len(next(iter(events.values()))), dtype=kinds)
    for name, column in events.items():
        if isinstance(column, np.ndarray):
            table[name] = column
            continue
        for entry, row in enumerate(_lists(column)):
            table[name][entry] = row
    with h5py.File(path, "w") as file:
        file.create_dataset("Events", data=table)


def _write(path: Path, text: str) -> None:
    data = text.encode()
    compress: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
    }
    path.write_bytes(compress[path.suffix](data) if path.suffix in compress else data)


WRITERS: dict[str, Callable[[Path, Events], None]] = {
    "ttree.root": ttree,
    "rntuple.root": rntuple,
    "parquet": parquet,
    "jsonl": json_lines,
    "jsonl.zst": json_lines,
    "json.gz": json_list,
    "csv": csv,
    "csv.xz": csv,
    "tsv.bz2": csv,
    "avro": avro,
    "group.h5": hdf5_group,
    "compound.h5": hdf5_compound,
}
"""Writers by the ending of the file's name."""
