"""Labels and weights of the events that the first pass found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlaas4hep.config.fields import Label
from mlaas4hep.features.statistics.exact import ExactSum
from mlaas4hep.streaming.scan.result import Scan
from mlaas4hep.training.events.base import Task
from mlaas4hep.training.events.first_pass import FirstPass
from mlaas4hep.training.events.labels import Labelling, labelling
from mlaas4hep.training.events.weighting import ClassTotals, TrainingWeights, class_totals, training_weights

__all__ = ["Labelled", "label_events"]


@dataclass(frozen=True)
class Labelled:
    """What the events of a training are to be told apart by, and what they weigh.

    Attributes:
        totals: events and weights of each class in each part of the split.
        full_sums: sums of physics weights of each class over all events that pass the cuts, used or not, float64 [C].
    """

    labels: Labelling
    totals: ClassTotals
    weights: TrainingWeights
    full_sums: tuple[float, ...]


def label_events(
    first: FirstPass,
    warn: Callable[[str], None],
    *,
    task: Task | None = None,
    signal: Label | None = None,
    balance: bool | None = None,
) -> Labelled:
    """Decide on task, classes and training weights.

    Args:
        first: the first pass.
        warn: told if the signal is a guess.
        task: None: follows from the labels.
        signal: binary: the class whose probability is the score.
        balance: give every class the same sum of weights; None: if weights are used.

    Raises:
        MLaaS4HEPError: labels and task do not fit together, a class has no event, weights sum to nothing.
    """
    found = first.scan
    labels = labelling(list(found.labels), task, signal)
    if labels.guessed:
        warn(
            f"{labels.names[1]} is taken as the signal and {labels.names[0]} as the background, "
            "only by alphabetical order: name the signal under training.signal"
        )
    totals = class_totals(found.labels, labels, first.pipeline.split)
    used = first.pipeline.weight_branch is not None or any(file.sample.weight != 1.0 for file in first.files)
    weights = training_weights(labels, totals, used=used, balance=balance)
    return Labelled(labels, totals, weights, _full_sums(found, labels))


def _full_sums(found: Scan, labels: Labelling) -> tuple[float, ...]:
    sums = [ExactSum() for _ in labels.classes]
    for label, passing in found.passing.items() if labels.classes else ():
        sums[labels.index(label)] += passing
    return tuple(total.value() for total in sums)
