"""How the model is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlaas4hep.config.fields import LabelValue, Real, Seed, Whole
from mlaas4hep.config.sections.section import Section

__all__ = ["Training"]


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
        default=None, ge=1, description="Epochs without a better validation loss before the training stops."
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
