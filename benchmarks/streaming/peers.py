"""What we are compared with, in our own environment: uproot alone, and the pipeline one writes with awkward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from benchmarks.streaming.facts import FLAT, JAGGED, Facts
from benchmarks.streaming.sample import CUT, WEIGHT, Sample

__all__ = ["awkward_pipeline", "places", "raw"]


def raw(sample: Sample) -> int:
    """Events that `uproot.iterate` reads with its defaults; nothing is done with them."""
    names = list(sample.read)
    return sum(len(chunk) for path in sample.paths for chunk in uproot.iterate(f"{path}:Events", filter_name=names))


def awkward_pipeline(sample: Sample, known: Facts, seed: int) -> Iterator[tuple[NDArray[Any], ...]]:
    """Cut, normalise, pad, join, label, weigh, and shuffle within the chunk; one class after the other.

    Args:
        sample: its files.
        known: mean and deviation of each feature; they are given, no pass is spent on them.
        seed: of the shuffle.

    Yields:
        Columns float32 [n, width], labels [n], weights [n].
    """
    random = np.random.default_rng(seed)
    lengths = sample.jagged
    branch, least = CUT
    for path, label in zip(sample.paths, (1, 0), strict=True):
        for events in uproot.iterate(f"{path}:Events", filter_name=list(sample.read)):
            chosen = events[events[branch] > least]
            columns = []
            for name in sample.features:
                mean, deviation = known.moments[name]
                scaled = (chosen[name] - mean) / deviation
                if name in lengths:
                    padded = ak.pad_none(scaled, lengths[name], clip=True)
                    columns.append(ak.to_numpy(ak.fill_none(padded, 0.0)).astype(np.float32))
                else:
                    columns.append(ak.to_numpy(scaled).astype(np.float32)[:, np.newaxis])
            x = np.concatenate(columns, axis=1)
            weight = ak.to_numpy(chosen[WEIGHT])
            order = random.permutation(len(x))
            yield x[order], np.full(len(x), label)[order], weight[order]


def places(sample: Sample) -> tuple[int, int]:
    """Column numbers of what is checked, when columns are in the order of the features."""
    lengths = sample.jagged
    starts = np.cumsum([0, *(lengths.get(name, 1) for name in sample.features)])
    return int(starts[sample.features.index(FLAT)]), int(starts[sample.features.index(JAGGED)])
