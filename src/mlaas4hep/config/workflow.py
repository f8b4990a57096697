"""The validated configuration of one workflow, whatever form it was written in.

The legacy files (``files.txt``, ``labels.txt``, ``params.json``, ``preproc.json``) and the YAML file are both read
into a `Workflow`. Everything after this point reads nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mlaas4hep.config.fields import (
    Bytes,
    Count,
    Files,
    FormatName,
    Label,
    LabelValue,
    Lengths,
    Name,
    Names,
    Numbers,
    Real,
    Seed,
    Whole,
)

__all__ = [
    "Cut",
    "Features",
    "Label",
    "Reading",
    "Sample",
    "Split",
    "Training",
    "Variable",
    "Weights",
    "Workflow",
]

_MOST_THREADS = 4

Share = Annotated[Real, Field(ge=0.0, lt=1.0)]


class Section(BaseModel):
    """Base of all sections: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Sample(Section):
    """Files that belong together: one process, one label, one weight."""

    name: Name = Field(description="Name of the sample, shown in reports.")
    files: Files = Field(
        min_length=1, description="Paths, URLs, or logical names behind `redirector`; `file.root:tree` names a tree."
    )
    label: LabelValue | None = Field(
        default=None, description="Class name or number; for regression a number. None: `label_branch` holds it."
    )
    weight: Real = Field(
        default=1.0,
        description="Factor for every event, e.g. cross-section x luminosity / events.",
    )
    tree: Name | None = Field(
        default=None, description="Path of the tree in its files, if it is not that of the workflow."
    )


class Variable(Section):
    """A new branch computed from others, in the order of definition."""

    name: Name
    expression: Name = Field(description="E.g. `sqrt(px**2 + py**2)` or `sum(Jet_pt)`.")
    kind: Literal["flat", "jagged"] | None = Field(
        default=None, description="If given, checked against what comes out."
    )


class Cut(Section):
    """One line of the cutflow: events for which the expression is false (or missing) are removed."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(required=["expression"]))

    name: Name = Field(description="Name in the cutflow; the expression by default.")
    expression: Name = Field(description="E.g. `(MET_pt > 20) & any(Muon_pt > 25)`.")

    @model_validator(mode="before")
    @classmethod
    def _name_by_expression(cls, data: object) -> object:
        if isinstance(data, str):
            return {"name": data, "expression": data}
        if isinstance(data, dict) and "expression" in data and "name" not in data:
            return {"name": data["expression"], **data}
        return data


def _variables(value: object) -> object:
    if isinstance(value, dict):
        return [
            {"name": name, **entry} if isinstance(entry, dict) else {"name": name, "expression": entry}
            for name, entry in value.items()
        ]
    return value


def _cuts(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


Variables: TypeAlias = Annotated[
    tuple[Variable, ...], BeforeValidator(_variables, json_schema_input_type=list[Variable] | dict[str, str])
]
Cuts: TypeAlias = Annotated[tuple[Cut, ...], BeforeValidator(_cuts, json_schema_input_type=str | Cut | list[str | Cut])]


class Weights(Section):
    """Event weights: file weight x weight branch; balance acts on training only, never on metrics."""

    branch: str | None = Field(default=None, description="Branch or variable that holds a weight for each event.")
    balance: bool | None = Field(
        default=None,
        description="Give every class the same sum of weights in training. Default: yes if weights are used.",
    )
    negative: Literal["keep", "abs", "drop", "error"] = Field(
        default="keep", description="What to do with negative weights."
    )


class Features(Section):
    """Which branches become feature columns, and how."""

    include: Names = Field(default=(), description="Branches or glob patterns; empty: all numeric branches.")
    exclude: Names = Field(default=(), description="Branches or glob patterns that are not features.")
    length: Lengths = Field(default={}, description="Number of columns for a jagged branch; `default` for all others.")
    quantile: Real | None = Field(
        default=None,
        gt=0.0,
        le=1.0,
        description="Take this quantile of the multiplicity as length. Default: the maximum.",
    )
    normalisation: Literal["minmax", "standard", "robust", "none"] = "minmax"
    missing: Numbers = Field(default=(), description="Values that mean missing, e.g. -999.")
    impute: Literal["below", "centre"] = Field(
        default="below",
        description="For models that cannot take NaN: one unit below the smallest training value, or 0 after "
        "normalisation (to be used with `mask`).",
    )
    mask: bool = Field(default=False, description="Append one column a feature that is 1 where the value is real.")


class Split(Section):
    """Shares of the events, decided event by event from a hash of the event's identity."""

    validation: Share = 0.2
    test: Share = 0.2
    seed: Seed = Field(default=0, description="Another seed gives another split.")

    @model_validator(mode="after")
    def _train_is_left(self) -> Split:
        if self.validation + self.test >= 1.0:
            msg = f"validation {self.validation} + test {self.test} leave nothing for training"
            raise ValueError(msg)
        return self

    @property
    def train(self) -> float:
        """Share of the training events."""
        return 1.0 - self.validation - self.test


class Reading(Section):
    """How events are read. It changes no feature and no split; chunks decide in which order a network sees events."""

    chunk_size: Count = Field(default=10_000, description="Events a chunk; -1: all in one.")
    workers: Whole | None = Field(
        default=None, ge=1, description="Threads that read. Default: one for each core, at most 4."
    )
    memory_limit: Bytes | None = Field(
        default=None, description="Bytes for event data, or `2 GB`; default a quarter of the machine's."
    )
    cache: Path | None = Field(
        default=None,
        description="Folder that keeps specs and feature columns for later epochs and trainings. Default: none.",
    )
    cache_limit: Bytes = Field(default=20_000_000_000, description="Bytes that the folder may hold, or `50 GB`.")
    redirector: str | None = Field(default=None, description="Prefix for logical names (/store/...), e.g. root://host.")
    format: FormatName | None = Field(default=None, description="Format of the files; default: by their suffix.")

    @property
    def threads(self) -> int:
        """Number of threads that read."""
        return self.workers or min(_MOST_THREADS, len(os.sched_getaffinity(0)))


class Training(Section):
    """How the model is trained."""

    model: Path = Field(description="Python file that defines model() or model(idim).")
    task: Literal["binary", "multiclass", "regression"] | None = Field(
        default=None, description="Default: from the labels."
    )
    signal: LabelValue | None = Field(
        default=None, description="Binary: the class whose probability is the score. Default: see docs."
    )
    epochs: Whole | None = Field(default=None, ge=1)
    batch_size: Whole = Field(default=256, ge=1)
    shuffle: bool = True
    order: Literal["standard", "chunk"] = Field(
        default="standard",
        description="standard: each epoch goes over all chunks. chunk: all epochs on one chunk, then the next.",
    )
    early_stopping: Whole | None = Field(
        default=None, ge=1, description="Epochs without better validation loss before it stops."
    )
    seed: Seed = 0
    threads: Whole | None = Field(
        default=None, ge=1, description="Threads of the framework; 1 for bit-by-bit repeatability."
    )
    verbose: Whole = Field(default=0, ge=0, le=2)
    threshold: Real | None = Field(
        default=None,
        description="Score from which an event counts as signal in reports. Default: 0.5; for decision values what the "
        "model's loss cuts at, e.g. 0.",
    )
    classification_report: bool = True
    importance: Whole = Field(
        default=-1,
        ge=-1,
        description="Branches whose permutation importance is computed; 0: none; -1: all, or those of the groups of "
        "branches that matter most if all would take too long.",
    )


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
    variables: Variables = Field(default=(), description="A list, or a mapping of names to expressions.")
    selection: Cuts = Field(default=(), description="One expression or several; an event must pass all of them.")
    features: Features = Features()
    weights: Weights = Weights()
    split: Split = Split()
    reading: Reading = Reading()
    training: Training | None = None
    histograms: Path | None = Field(default=None, description="Folder for histograms of each branch.")
    specs: Path | None = Field(default=None, description="Specs computed earlier; else one pass computes them.")

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
