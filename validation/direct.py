"""Features computed again from the documentation alone: uproot reads, numpy does the rest; the package is not used."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import uproot
from datasets import Dataset
from numpy.typing import NDArray

__all__ = ["Events", "Features", "features", "read_split"]

Floats: TypeAlias = NDArray[np.float32]

TRAIN, TEST = 0, 2


@dataclass(frozen=True)
class Events:
    """The events of one row, as the package exported them: which file, entry and part; nothing else is taken over."""

    file: NDArray[np.int64]
    entry: NDArray[np.int64]
    part: NDArray[np.int64]


@dataclass(frozen=True)
class Features:
    """What a model is given.

    Attributes:
        columns: names of the columns.
        x: float32 [events, columns].
        y: int64 [events], 1 for the signal.
        weight: float64 [events], of the events as physics has them.
        training_weight: float64 [events]; both classes have the same sum among the training events.
        part: 0 training, 1 validation, 2 test.
        file: int64 [events], position of the file in the order of the files' identities.
    """

    columns: tuple[str, ...]
    x: Floats
    y: NDArray[np.int64]
    weight: NDArray[np.float64]
    training_weight: NDArray[np.float64]
    part: NDArray[np.int64]
    file: NDArray[np.int64]

    def mixed(self, size: int) -> NDArray[np.int64]:
        """Training events in the order of unshuffled chunks.

        Chunk c of n holds of file k of K the events from c/n of its size + k/K to (c + 1)/n of its size + k/K.
        """
        lists = [np.flatnonzero((self.part == TRAIN) & (self.file == n)) for n in range(int(self.file.max()) + 1)]
        lists = [one for one in lists if len(one)]
        chunks = -(-sum(map(len, lists)) // size)
        taken = []
        for c in range(chunks):
            for k, one in enumerate(lists):
                low, high = (
                    (len(one) * step * len(lists) + k * chunks) // (chunks * len(lists)) for step in (c, c + 1)
                )
                taken.append(one[low:high])
        return np.concatenate(taken)


def read_split(path: Path) -> Events:
    """Events from the file that ``train --split-out`` writes."""
    table = pq.read_table(path, columns=["file", "entry", "part"])
    return Events(*(table[name].to_numpy().astype(np.int64) for name in ("file", "entry", "part")))


def features(dataset: Dataset, folder: Path, events: Events, *, nan: bool) -> Features:
    """Read and transform the events.

    A flat branch is a column; a jagged one gives the first few of its values, padded with NaN. All are scaled so that
    the training events of a branch span 0 to 1, in float32 as documented. Missing values become -1 and real ones stay
    above -0.5, or both are left as they are for models that understand NaN.

    Args:
        dataset: what to read.
        folder: where the files are.
        events: which of them, in which part.
        nan: leave missing values NaN.
    """
    paths = [folder / file for file in dataset.files]
    by_identity = sorted(range(len(paths)), key=lambda n: _identity(paths[n]))
    per_file = [_read(paths[n], dataset, events.entry[events.file == n]) for n in by_identity]
    order = np.concatenate([np.flatnonzero(events.file == n) for n in by_identity])
    part, position = events.part[order], np.argsort(by_identity)[events.file[order]]
    y = np.array(list(dataset.files.values()), dtype=np.int64)[events.file[order]]
    weight = np.ones(len(y))
    if dataset.weight:
        weight = np.concatenate([np.asarray(columns[dataset.weight], dtype=np.float64) for columns in per_file])
    names = [name for name in per_file[0] if name != dataset.weight]
    columns: list[str] = []
    blocks: list[Floats] = []
    for name in names:
        block = _branch(ak.concatenate([columns[name] for columns in per_file]), part == TRAIN, dataset, nan=nan)
        if block is not None:
            blocks.append(block)
            jagged = per_file[0][name].ndim > 1
            columns += [f"{name}[{i}]" for i in range(block.shape[1])] if jagged else [name]
    return Features(
        columns=tuple(columns),
        x=np.concatenate(blocks, axis=1),
        y=y,
        weight=weight,
        training_weight=_balanced(y, weight, part, dataset),
        part=part,
        file=position,
    )


def _identity(path: Path) -> str:
    with uproot.open(path) as file:
        return str(file.file.uuid)


def _read(path: Path, dataset: Dataset, entries: NDArray[np.int64]) -> dict[str, Any]:
    """Numeric branches of some entries, in the order of the file."""
    with uproot.open(path) as file:
        tree = file[dataset.tree]
        names = [name for name in tree.keys() if not any(fnmatchcase(name, p) for p in dataset.exclude)]  # noqa: SIM118
        return {name: tree[name].array()[entries] for name in names}


def _branch(values: Any, train: NDArray[np.bool_], dataset: Dataset, *, nan: bool) -> Floats | None:
    jagged = values.ndim > 1
    values = ak.values_astype(values, np.float32)
    real = np.asarray(ak.flatten(values[train], axis=None))
    real = real[np.isfinite(real)]
    if dataset.missing is not None:
        real = real[real != dataset.missing]
    if not len(real):
        return None
    low, spread = real.min(), float(real.max()) - float(real.min())
    if jagged:
        longest = int(ak.max(ak.num(values[train])))
        wanted = min(dataset.length or longest, longest)
        padded = ak.fill_none(ak.pad_none(values, wanted, clip=True), np.nan)
        raw = np.asarray(ak.to_numpy(padded), dtype=np.float32)
    else:
        raw = np.asarray(values, dtype=np.float32)[:, np.newaxis]
    absent = ~np.isfinite(raw)
    if dataset.missing is not None:
        absent |= raw == dataset.missing
    with np.errstate(invalid="ignore"):
        scaled = (raw - low) * np.float32(1.0 / spread if spread > 0.0 else 1.0)
    filled = np.where(absent, np.nan, scaled) if nan else np.where(absent, -1.0, np.maximum(scaled, -0.5))
    return filled.astype(np.float32)


def _balanced(
    y: NDArray[np.int64], weight: NDArray[np.float64], part: NDArray[np.int64], dataset: Dataset
) -> NDArray[np.float64]:
    if not dataset.weight:
        return np.ones(len(y))
    scaled = weight.copy()
    train = part == TRAIN
    for label in (0, 1):
        scaled[y == label] *= train.sum() / (2.0 * weight[train & (y == label)].sum())
    return scaled
