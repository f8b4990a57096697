"""Branches that give the answer away: one alone tells the classes apart, as an event number of two files does.

A good variable separates classes well, but hardly ever by itself and completely. A sample of the training events is
divided in two: from one half the share of each class is taken for every value (or every 64th of the values) of a
column, in any order, so that data set numbers are found too; the other half says how well these shares separate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.findings import NAMED, few
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.split import TRAIN
from mlaas4hep.streaming.dataset.dataset import Dataset
from mlaas4hep.training.events.labels import Labelling
from mlaas4hep.training.metrics.curves import roc_auc

__all__ = ["give_away", "warning_of"]

SEPARATES = 0.99
CELLS = 2_000_000
ROWS = (1_000, 20_000)
BINS = 64
CATEGORIES = 256
LEAST = 50
"""Events of a class in each half, without which nothing is said."""


Floats = NDArray[np.float64]


def warning_of(dataset: Dataset, labels: Labelling) -> str | None:
    """Return a sentence about the branches that separate a class alone, with their AUC; None if there are none."""
    if not labels.classes:
        return None
    sample = dataset.head(TRAIN, int(np.clip(CELLS // dataset.layout.model_width, *ROWS)))
    sample = sample.take(np.random.default_rng(0).permutation(len(sample)))
    x, y = dataset.layout.transform(sample.raw), sample.y.astype(np.int64)
    found = give_away(x, y, sample.weight, dataset.layout, len(labels.classes))
    if not found:
        return None
    ordered = sorted(found.items(), key=lambda pair: -pair[1])
    texts = [f"{name} (AUC {area:.4f})" for name, area in ordered]
    named = few(texts, NAMED)
    names = ", ".join(name for name, _ in ordered[:NAMED])
    return (
        f"one branch alone tells the classes apart: {named}. If it says where an event comes from, and not what "
        f"happened in it, leave it out: features: exclude: [{names}]"
    )


def give_away(
    x: NDArray[np.float32], y: NDArray[np.int64], weight: Floats, layout: Layout, classes: int
) -> dict[str, float]:
    """AUC of the branches that separate a class from all others, on events that were not used to find out how.

    Args:
        x: columns as the model sees them, float32 [N, D or more]; those behind the D raw ones do not matter.
        y: class indices, [N].
        weight: float64 [N].
        layout: of the columns.
        classes: how many.
    """
    weight = weight if (weight >= 0).all() else np.ones(len(weight))
    half = np.arange(len(y)) % 2 == 0
    found: dict[str, float] = {}
    targets = [y == index for index in ([1] if classes == 2 else range(classes))]
    targets = [t for t in targets if min(int((t & h).sum()) for h in (half, ~half)) >= LEAST]
    targets = [t for t in targets if min(int((~t & h).sum()) for h in (half, ~half)) >= LEAST]
    for name, column in _columns(x, layout) if targets else ():
        bins = _bins(column)
        for target in targets:
            area = _area(bins, target, weight, half)
            if area > max(SEPARATES, found.get(name, 0.0)):
                found[name] = area
    return found


def _columns(x: NDArray[np.float32], layout: Layout) -> Iterator[tuple[str, Floats]]:
    """Columns by the name of their branch; what is missing is below everything."""
    names = [branch.name for branch in layout.branches for _ in range(branch.length)]
    for index, name in enumerate(names):
        column = x[:, index].astype(np.float64)
        yield name, np.where(np.isfinite(column), column, -np.inf)


def _bins(column: Floats) -> NDArray[np.int64]:
    """The number of each value's bin: a value by itself where there are few, else quantiles."""
    values, bins = np.unique(column, return_inverse=True)
    if len(values) > CATEGORIES:
        edges = np.unique(np.sort(column)[:: max(1, len(column) // BINS)])
        bins = np.searchsorted(edges, column, side="right")
    return bins.astype(np.int64)


def _area(bins: NDArray[np.int64], target: NDArray[np.bool_], weight: Floats, half: NDArray[np.bool_]) -> float:
    """How well the shares of a class in the bins of one half separate it in the other half."""
    size = int(bins.max()) + 1
    inside = np.bincount(bins[half & target], weight[half & target], size)
    outside = np.bincount(bins[half & ~target], weight[half & ~target], size)
    if not inside.sum() > 0 or not outside.sum() > 0:
        return 0.0
    inside, outside = inside / inside.sum(), outside / outside.sum()
    few = 1e-9
    share = (inside + few) / (inside + outside + 2 * few)
    return roc_auc(target[~half].astype(int), share[bins[~half]], weight[~half])
