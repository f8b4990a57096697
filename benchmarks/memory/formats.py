"""Peak memory of ``mlaas4hep train`` and ``predict`` by format of the files, at two numbers of events.

    python -m benchmarks.memory.formats --small 200000 --large 2000000

The same events in every format: four columns of float32, an event number, a label. They are written once, block by
block, into a temporary folder. A peak is what the system says of the process; events are not kept between passes, so
that the reader works as in a training that is larger than the memory.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

from benchmarks.memory.run import MODELS, TINY, peak

BLOCK = 50_000
NAMES = ("a", "b", "c", "d")
LIMIT = "16 MB"

Blocks = Iterator[dict[str, Any]]


def blocks(events: int) -> Blocks:
    """Columns of the events, block by block."""
    rng = np.random.default_rng(1)
    for start in range(0, events, BLOCK):
        size = min(BLOCK, events - start)
        label = rng.integers(0, 2, size)
        values = {name: rng.normal(label, 1.0).astype(np.float32) for name in NAMES}
        yield {**values, "event": np.arange(start, start + size), "label": label}


def rows(found: Blocks) -> Iterator[dict[str, Any]]:
    """The same event by event."""
    for block in found:
        for row in zip(*(column.tolist() for column in block.values()), strict=True):
            yield dict(zip(block, row, strict=True))


def root(path: Path, found: Blocks) -> None:
    """A TTree."""
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {**dict.fromkeys(NAMES, "f4"), "event": "i8", "label": "i8"})
        for block in found:
            tree.extend(block)


def parquet(path: Path, found: Blocks) -> None:
    """A row group a block."""
    writer = None
    for block in found:
        table = pa.table(block)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def csv(path: Path, found: Blocks) -> None:
    """With a header line; compressed if the name says so."""
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.write(",".join([*NAMES, "event", "label"]) + "\n")
        file.writelines(",".join(map(str, row.values())) + "\n" for row in rows(found))


def jsonl(path: Path, found: Blocks) -> None:
    """One object a line; compressed if the name says so."""
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(found))


def avro(path: Path, found: Blocks) -> None:
    """Records of numbers."""
    fields = [{"name": name, "type": "float"} for name in NAMES]
    fields += [{"name": name, "type": "long"} for name in ("event", "label")]
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "event", "fields": fields}, rows(found), codec="deflate")


def hdf5(path: Path, found: Blocks) -> None:
    """A data set a column, compressed."""
    with h5py.File(path, "w") as file:
        for block in found:
            for name, column in block.items():
                if name not in file:
                    options = {"chunks": (16_384,), "compression": "gzip"}
                    file.create_dataset(name, (0,), maxshape=(None,), dtype=column.dtype, **options)
                item = file[name]
                item.resize(len(item) + len(column), axis=0)
                item[-len(column) :] = column


WRITERS: dict[str, Callable[[Path, Blocks], None]] = {
    "root": root,
    "parquet": parquet,
    "h5": hdf5,
    "csv": csv,
    "csv.gz": csv,
    "jsonl": jsonl,
    "jsonl.gz": jsonl,
    "avro": avro,
}


def workflow(folder: Path, name: str) -> Path:
    """Write the configuration of a training on a file."""
    (folder / "model.py").write_text(MODELS["SGD"], "utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(
        f"samples: [{{name: all, files: {name}}}]\n"
        "label_branch: label\nidentifier: event\n"
        f"reading: {{memory_limit: {LIMIT}, workers: 1}}\n"
        "training: {model: model.py, epochs: 1, batch_size: 4096, importance: 0, threads: 1}\n",
        "utf-8",
    )
    return path


def cells(found: list[tuple[float, float, bool]]) -> str:
    """Peaks of the last two runs, their ratio, and the seconds of the last."""
    (small, _, _), (large, seconds, _) = found[-2:]
    return f"| {small:.0f} | {large:.0f} | {large / small:.3f} | {seconds:.0f}"


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=200_000)
    parser.add_argument("--large", type=int, default=2_000_000)
    parser.add_argument("--formats", nargs="*", choices=list(WRITERS), default=list(WRITERS))
    parser.add_argument("--folder", type=Path, help="Where the files are kept; default: a temporary folder.")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mlaas4hep-formats-"))
    folder.mkdir(exist_ok=True)
    program = str(Path(sys.executable).with_name("mlaas4hep"))
    sizes = (TINY, options.small, options.large)
    try:
        print(
            f"| format | {options.large:,} events, MB on disk | train, MB at {options.small:,} | at {options.large:,} "
            f"| ratio | s | predict, MB at {options.small:,} | at {options.large:,} | ratio | s |\n"
            "|---|---|---|---|---|---|---|---|---|---|"
        )
        for ending in options.formats:
            found, scored = [], []
            for events in sizes:
                path = folder / f"{events}.{ending}"
                if not path.exists():
                    WRITERS[ending](path, blocks(events))
                configuration = workflow(folder, path.name)
                bundle, output = str(folder / "bundle"), str(folder / "scores.parquet")
                found.append(peak(program, "train", str(configuration), "--fout", bundle, "--quiet"))
                scored.append(
                    peak(program, "predict", bundle, str(path), "-o", output, "--overwrite", "--workers", "1")
                )
            stored = (folder / f"{options.large}.{ending}").stat().st_size / 1e6
            print(f"| {ending} | {stored:.0f} {cells(found)} {cells(scored)} |", flush=True)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
