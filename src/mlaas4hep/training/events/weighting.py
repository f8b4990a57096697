"""From physics weights to training weights: scaled to a mean of 1, and balanced between the classes if wanted."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.sections.events import Split
from mlaas4hep.errors import NoEventsError, SplitError, WeightError
from mlaas4hep.features.split import PARTS, TRAIN
from mlaas4hep.features.statistics.exact import ExactSum
from mlaas4hep.streaming.scan.result import ClassCount
from mlaas4hep.training.events.labels import Labelling

__all__ = ["ClassTotals", "TrainingWeights", "class_totals", "training_weights"]


@dataclass(frozen=True)
class ClassTotals:
    """Events [classes, parts] and exact sums of physics weights [classes, parts]; one row for regression."""

    events: NDArray[np.int64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class TrainingWeights:
    """Factor from physics to training weight, one for each class (one in all for regression).

    Attributes:
        used: false if no weights were given: then training weights are 1, times the balance if it was asked for.
        balanced: true if every class has the same sum of training weights.
    """

    factors: NDArray[np.float64]
    used: bool
    balanced: bool

    @property
    def trivial(self) -> bool:
        """True if every training weight is 1."""
        return not self.used and not self.balanced

    def of(self, y: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.float32]:
        """Training weights float32 [n] from targets [n] and physics weights float64 [n]."""
        factors = self.factors[y] if len(self.factors) > 1 else self.factors[0]
        scaled: NDArray[np.float64] = weight * factors
        return scaled.astype(np.float32)


def class_totals(found: Mapping[Hashable, ClassCount], labels: Labelling, split: Split) -> ClassTotals:
    """Totals by class index.

    Raises:
        NoEventsError: no event of a class is left after the cuts.
        SplitError: a class has no event in some part of the split that is to hold events.
    """
    rows = max(len(labels.classes), 1)
    events = np.zeros((rows, len(PARTS)), dtype=np.int64)
    sums = [[ExactSum() for _ in PARTS] for _ in range(rows)]
    for label, count in found.items():
        row = labels.index(label) if labels.classes else 0
        events[row] += count.events
        sums[row] = [a.merge(b) for a, b in zip(sums[row], count.weights, strict=True)]
    for name in (labels.names[row] for row in np.flatnonzero(events.sum(axis=1) == 0)):
        raise NoEventsError(
            f"no event of class {name} is left after the cuts",
            hint="look at the cutflow and at the files of this class",
        )
    for part, (name, share) in enumerate(zip(PARTS, (split.train, split.validation, split.test), strict=True)):
        empty = np.flatnonzero(events[:, part] == 0)
        if len(empty) and share:
            what = f"class {labels.names[empty[0]]}" if labels.classes else "the data"
            raise SplitError(
                f"{what} has no event for {name}",
                hint="use more events, other shares of the split, or an identifier that tells events apart",
            )
    return ClassTotals(events, np.array([[part.value() for part in row] for row in sums]))


def training_weights(
    labels: Labelling, totals: ClassTotals, *, used: bool, balance: bool | None = None
) -> TrainingWeights:
    """Decide the factors from the training part's totals.

    Args:
        labels: the classes.
        totals: of each class.
        used: whether events have weights of their own.
        balance: give every class the same sum of weights; None: if weights are used.

    Raises:
        WeightError: the weights of a class sum to zero or less.
    """
    balanced = bool(labels.classes) and (used if balance is None else balance)
    sums = totals.weights[:, TRAIN]
    for row in np.flatnonzero(sums <= 0):
        name = f"class {labels.names[row]}" if labels.classes else "all events"
        raise WeightError(
            f"the training weights of {name} sum to {sums[row]:g}",
            hint="look at the weights, or set the policy for negative weights to abs or drop",
        )
    events = float(totals.events[:, TRAIN].sum())
    if not used and not balanced:
        return TrainingWeights(np.ones(len(sums)), used, balanced)
    factors = events / (len(sums) * sums) if balanced else np.full(len(sums), events / sums.sum())
    return TrainingWeights(factors, used, balanced)
