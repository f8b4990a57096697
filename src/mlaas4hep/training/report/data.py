"""What a report is made of: plain values only, so that the same input always gives the same page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlaas4hep.training.events.base import Task
from mlaas4hep.training.metrics.parts import Scored
from mlaas4hep.training.report.inputs import Inputs

__all__ = ["CutflowRow", "FeatureRow", "FileRow", "ReportData"]


@dataclass(frozen=True, slots=True)
class CutflowRow:
    """One line of the cutflow.

    Attributes:
        cut: what was asked for; the first line is usually all events.
        events: events left after it.
        weighted: sum of their weights.
        files: the same for each sample, by name.
    """

    cut: str
    events: int
    weighted: float
    files: Mapping[str, tuple[int, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One branch among the features, as the specs have it.

    Attributes:
        branch: its name.
        kind: flat or jagged.
        length: number of feature columns.
        minimum: smallest training value; None where unknown, as for the next three.
        maximum: largest training value.
        mean: mean.
        std: standard deviation.
        missing: number of missing values.
        normalisation: in words, e.g. ``minmax`` or ``(v - 20) * 0.01``.
    """

    branch: str
    kind: str
    length: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    missing: int | None = None
    normalisation: str = ""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One input file.

    Attributes:
        path: as given by the user.
        sample: name of its sample.
        label: its class, or empty.
        entries: entries in the file.
        weight: factor for every event.
    """

    path: str
    sample: str = ""
    label: str = ""
    entries: int | None = None
    weight: float | None = None


@dataclass(frozen=True)
class ReportData:
    """All that a report shows. Only the first five have to be there; what is empty is left out of the page.

    Attributes:
        title: name of the model or workflow.
        task: binary, multiclass or regression.
        classes: names by class index (binary: background, signal); empty for regression.
        metrics: what `mlaas4hep.training.metrics.evaluate` returned.
        parts: the events behind it, by the same names.
        samples: binary: the events of the main part again, by sample.
        inputs: values of the most important branches of some events of the main part.
        importance: what `mlaas4hep.training.judging.importance.permutation_importance` returned.
        curves: learning curves, name (``loss``, ``val_loss``, ...) to one value a step.
        step: what a step of the training is called.
        cutflow: the lines of the cutflow, in order.
        features: one row per branch, in the order of the columns.
        left_out: branches that are not features though they were asked for, with the reason.
        warnings: sentences for the user.
        configuration: the configuration as YAML text.
        files: the input files.
        packages: versions by package name.
        details: further facts by name, e.g. framework, seed, split.
        target: regression: name of the target.
        unit: regression: unit of the target, e.g. ``GeV``.
        class_report: show purity, efficiency and F1 of each class, and the confusion matrix.
    """

    title: str
    task: Task
    classes: Sequence[str]
    metrics: Mapping[str, Any]
    parts: Mapping[str, Scored]
    samples: Mapping[str, Scored] = field(default_factory=dict)
    inputs: Inputs | None = None
    importance: Sequence[Mapping[str, Any]] = ()
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    step: str = "epoch"
    cutflow: Sequence[CutflowRow] = ()
    features: Sequence[FeatureRow] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    configuration: str = ""
    files: Sequence[FileRow] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    target: str = "target"
    unit: str = ""
    class_report: bool = True

    @property
    def shows_classes(self) -> bool:
        """Whether there is anything to show class by class, and it is wanted."""
        return self.class_report and self.task != "regression"
