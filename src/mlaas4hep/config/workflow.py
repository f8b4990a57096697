"""The validated configuration of one workflow, whatever form it was written in.

The legacy files (``files.txt``, ``labels.txt``, ``params.json``, ``preproc.json``) and the YAML file are both read
into a `Workflow`. Everything after this point reads nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, model_validator

from mlaas4hep.config.fields import Count, Name, Names
from mlaas4hep.config.parts import EventSettings
from mlaas4hep.config.sections.data import Reading, Sample
from mlaas4hep.config.sections.events import Split, Weights
from mlaas4hep.config.sections.features import Features
from mlaas4hep.config.sections.section import Section
from mlaas4hep.config.sections.selection import Cuts, Variables
from mlaas4hep.config.sections.training import Training

__all__ = ["Workflow"]


class Workflow(Section):
    """Everything one training needs to know."""

    name: Name = "model"
    samples: tuple[Sample, ...] = Field(min_length=1)
    tree: str = Field(default="Events", description="Path of the tree in the file, e.g. Events or folder/events.")
    label_branch: str | None = Field(
        default=None, description="Branch that holds the label or regression target, for samples without a label."
    )
    identifier: Names | None = Field(
        default=None,
        description="Branches that identify an event. Default: run, event, luminosityBlock if all are there.",
    )
    events: Count = Field(
        default=-1, description="Events to use after the cuts, over all files in proportion; -1: all."
    )
    preprocessing: Path | None = Field(
        default=None,
        description="Python file that defines preprocessing(events), which changes, adds and selects before all else.",
    )
    variables: Variables = Field(default=(), description="A list, or a mapping of names to expressions.")
    selection: Cuts = Field(default=(), description="One expression or several; an event must pass all of them.")
    features: Features = Features()
    weights: Weights = Weights()
    split: Split = Split()
    reading: Reading = Reading()
    training: Training | None = None
    histograms: Path | None = Field(default=None, description="Folder for histograms of each branch.")
    specs: Path | None = Field(default=None, description="Specs computed earlier; else one pass computes them.")

    @property
    def event_settings(self) -> EventSettings:
        """What is read of each event, and as what."""
        return EventSettings(
            variables=self.variables,
            selection=self.selection,
            include=self.features.include,
            exclude=self.features.exclude,
            missing=self.features.missing,
            identifier=self.identifier,
            label_branch=self.label_branch,
            weight_branch=self.weights.branch,
            negative=self.weights.negative,
            split=self.split,
        )

    @model_validator(mode="after")
    def _consistent(self) -> Workflow:
        unlabelled = [sample.name for sample in self.samples if sample.label is None]
        if self.training and self.label_branch is None and unlabelled:
            msg = f"sample {unlabelled[0]} has no label, and no label_branch is given"
            raise ValueError(msg)
        for one, other, why in self._contradictions():
            msg = f"{one} and {other} contradict each other: {why}"
            raise ValueError(msg)
        _refuse_twice("samples", [sample.name for sample in self.samples])
        _refuse_twice("variables", [variable.name for variable in self.variables])
        return self

    def _contradictions(self) -> Iterator[tuple[str, str, str]]:
        """Pairs of settings of which one would have no effect, with the reason."""
        features, training = self.features, self.training
        if features.quantile is not None and "default" in features.length:
            yield (
                "features.quantile",
                "the default of features.length",
                "either decides about all other branches",
            )
        if self.specs is not None and (features.length or features.quantile is not None):
            given = "features.length" if features.length else "features.quantile"
            yield "specs", given, "the specs say how long the lists are"
        if training is not None and training.task in ("regression", "multiclass"):
            for name in ("signal", "threshold"):
                if getattr(training, name) is not None:
                    yield f"training.{name}", f"training.task: {training.task}", "it is for two classes"
        if training is not None and training.task == "regression" and self.weights.balance:
            yield "weights.balance", "training.task: regression", "there are no classes to balance"
        if training is not None and training.early_stopping and self.split.validation == 0:
            yield "training.early_stopping", "split.validation: 0", "there are no events to watch"


def _refuse_twice(things: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            msg = f"two {things} are named {name}"
            raise ValueError(msg)
        seen.add(name)
