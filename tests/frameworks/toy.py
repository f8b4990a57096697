# ruff: noqa: ARG001, ARG002
"""A framework in one file: a model is a line of numbers, the score their product with the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import ConversionError
from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile
from mlaas4hep.frameworks.recognition.peek import Peek
from mlaas4hep.frameworks.scorer import Loading, Predict
from mlaas4hep.frameworks.tensors import FEATURES, SCORES, Tensors, TensorSpec
from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.events.base import Events, Task
from mlaas4hep.training.events.outputs import Said

FILE = "model.toy"


class Line:
    """The model."""

    def __init__(self, factors: NDArray[np.float32] | None = None) -> None:
        self.factors = factors


def predict(factors: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities [N, 1]."""
    scores: NDArray[np.float32] = (1 / (1 + np.exp(-(x @ factors)))).astype(np.float32).reshape(-1, 1)
    return scores


def read(path: Path) -> NDArray[np.float32]:
    """The numbers in a file."""
    numbers: NDArray[np.float32] = np.array(path.read_text().split()[1:], dtype=np.float32)
    return numbers


def load(source: Source) -> Native:
    """For the server."""
    factors = read(source.path)

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        return {SCORES: predict(factors, np.asarray(inputs[FEATURES]))}

    inputs = (TensorSpec(FEATURES, "float32", (-1, len(factors))),)
    return Native("toy", inputs, (TensorSpec(SCORES, "float32", (-1, 1)),), run, batched=True)


def to_onnx(source: Source, native: Native, target: Path) -> None:
    """There is no such operator."""
    raise NotImplementedError


def load_native(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """For bundles."""
    factors = read(folder / FILE)
    return lambda x: predict(factors, x), "probability"


class ToyBackend:
    """Its training: the difference of the means of signal and background."""

    name = "toy"

    def recognises(self, model: object) -> bool:
        return isinstance(model, Line)

    def seed(self, seed: int, threads: int | None) -> None: ...

    def takes_missing(self, model: Any) -> bool:
        return False

    def passes(self, model: Any, epochs: int | None, module: object) -> int | None:
        return 1

    def fit(self, model: Any, train: Events, validation: Events, settings: FitSettings) -> tuple[Any, History]:
        data = train.load()
        signal = data.y > 0.5
        model.factors = (data.x[signal].mean(axis=0) - data.x[~signal].mean(axis=0)).astype(np.float32)
        settings.progress(0, train.size, {})
        return model, History(epochs=1)

    def predict(self, model: Any, x: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
        return predict(model.factors, x)

    def trial(self, model: Any, few: Events, settings: FitSettings) -> None:
        return

    def output(self, model: Any, task: Task) -> Said:
        return Said(False)

    def takes_any_target(self, model: Any, width: int, settings: FitSettings) -> bool | None:
        return None

    def save(self, model: Any, folder: Path, source: Path) -> None:
        (folder / FILE).write_text(" ".join(["toy", *map(repr, model.factors.tolist())]))

    def to_onnx(self, model: Any, width: int, task: Task) -> Any:
        raise ConversionError("a toy has no ONNX form")


def recognise(file: Peek) -> str | None:
    """By the first word."""
    return "toy" if file.head.startswith(b"toy ") else None


FRAMEWORK: Any = Framework(
    name="toy",
    recognise=recognise,
    formats=(ModelFormat("toy", "toys", "Toys", __name__, "toy"),),
    natives=(NativeFile(FILE, f"{__name__}:load_native"),),
    backend=f"{__name__}:ToyBackend",
    trained="toys",
    packages=("hypothesis",),
)
