"""The protocol of a backend: what the workflow needs to know about a framework, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.events.base import Events, Task
from mlaas4hep.training.events.outputs import Said

if TYPE_CHECKING:
    import onnx

__all__ = ["Backend", "FitSettings", "History", "Predict", "Progress"]

Progress = Callable[[int, int, dict[str, float]], None]
Predict = Callable[[Any, NDArray[np.float32], Task], NDArray[np.float32]]
"""`Backend.predict`."""


@dataclass(frozen=True)
class FitSettings:
    """Settings of one fit.

    Attributes:
        classes: number of classes; 0 for regression.
        epochs: None where the user gave none: the backend's or the model's own default.
        checkpoint: folder for checkpoints, always given; a backend writes after each epoch, beside and renamed.
        resume: continue from the checkpoint if there is one.
        progress: called as progress(epoch, events_done_in_epoch, metrics) at least after each chunk.
        warn: called with a sentence for the user; what it gets is shown, logged and kept in the manifest.
        alert: as `warn`, about this run alone (a checkpoint that cannot be used); not kept.
        left_out: filled by a backend with columns its model cannot take, and why.
        columns: names of the columns the model sees, for messages.
        module: the namespace of the user's model file (for `train_clf` / `torch_train`).
        memory_limit: bytes that events, and what a framework keeps of each, may take; None for no limit.
    """

    task: Task
    classes: int
    epochs: int | None
    batch_size: int
    shuffle: bool
    order: str
    early_stopping: int | None
    seed: int
    threads: int | None
    verbose: int
    checkpoint: Path
    resume: bool
    progress: Progress
    warn: Callable[[str], None]
    module: ModuleType | None = None
    columns: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    alert: Callable[[str], None] = lambda _text: None
    memory_limit: int | None = None

    @property
    def file(self) -> str:
        """Path of the user's model file, for messages."""
        return str(getattr(self.module, "__file__", None) or "model")


Step: TypeAlias = Literal["epoch", "boosting round"]


@dataclass
class History:
    """Learning curves: name (``loss``, ``val_loss``, ...) to one value a step: an epoch or a boosting round."""

    curves: dict[str, list[float]] = field(default_factory=dict)
    step: Step = "epoch"
    epochs: int = 0
    stopped_early: bool = False


class Backend(Protocol):
    """One framework. All methods take the user's model object, untouched until `fit`."""

    name: str
    """keras, torch, sklearn or xgboost."""

    networks: bool
    """True if its models are neural networks, which ONNX Runtime outpaces on few rows."""

    def recognises(self, model: object) -> bool:
        """Return true if the model is this framework's. Must not import the framework unless it is loaded already."""

    def seed(self, seed: int, threads: int | None) -> None:
        """Fix all random numbers of the framework; called before the user's `model()` builds the model."""

    def takes_missing(self, model: Any) -> bool:
        """Return true if the model understands NaN among its inputs (XGBoost, HistGradientBoosting)."""

    def passes(self, model: Any, epochs: int | None, module: ModuleType | None) -> int | None:
        """Return how many times `fit` will go through the training events: epochs or rounds; None if that is not known.

        Args:
            model: untrained.
            epochs: as the user gave them.
            module: the namespace of the user's model file.
        """

    def fit(self, model: Any, train: Events, validation: Events, settings: FitSettings) -> tuple[Any, History]:
        """Train, and return the trained model with its learning curves."""

    def predict(self, model: Any, x: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
        """Return scores of transformed rows.

        Returns:
            float32: binary [N, 1], larger for the signal (see `output`); multiclass [N, C]; regression [N, 1].
        """

    def trial(self, model: Any, few: Events, settings: FitSettings) -> Any:
        """A model like the untrained one, to be saved and loaded before the training; None if that cannot fail."""

    def output(self, model: Any, task: Task) -> Said:
        """Return what is known of the scores of a trained model: probabilities, unless it says otherwise."""

    def takes_any_target(self, model: Any, width: int, settings: FitSettings) -> bool | None:
        """Say whether last layer and loss of an untrained model allow a target that is shifted and scaled.

        None: it is to get the target as it is, as it would if it was called directly.
        """

    def save(self, model: Any, folder: Path, source: Path) -> None:
        """Write the framework's own format (and, for torch, the code in `source`) into an empty folder.

        The same model always gives the same bytes.
        """

    def to_onnx(self, model: Any, width: int, task: Task) -> onnx.ModelProto:
        """The model alone: input ``x`` float32 [N, width] (transformed), output ``scores`` as `predict` gives it.

        Raises:
            ConversionError: with the reason.
        """
