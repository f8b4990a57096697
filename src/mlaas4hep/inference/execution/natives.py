"""Which module knows which format; loading a model by its own framework."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.errors.text import first_line
from mlaas4hep.frameworks.foreign import CLOSED, FEATURES, SCORES, Kind, Native, Source
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec
from mlaas4hep.inference.execution.served import Served, read_served

__all__ = ["Framework", "framework_of", "load_native", "needs_sandbox", "open_native"]

HERE: Final = "mlaas4hep.frameworks."
MODULES: Final[dict[Kind, tuple[str, str]]] = {
    "onnx": ("onnx.files", "onnx"),
    "savedmodel": ("tensorflow.saved_model", "tensorflow"),
    "graphdef": ("tensorflow.graph", "tensorflow"),
    "keras": ("keras.files", "tensorflow"),
    "keras_h5": ("keras.files", "tensorflow"),
    "torchscript": ("torch.script", "torch"),
    "torch_export": ("torch.exported", "torch"),
    "xgboost": ("xgboost.files", "xgboost"),
    "lightgbm": ("lightgbm.files", "lightgbm"),
    "skops": ("sklearn.files", "sklearn"),
}


class Framework(Protocol):
    """What a module for a format offers."""

    FRAMEWORK: str
    """The maker, in words."""

    WORKER: bool | str
    """True if a model may be served by its framework in a worker: the framework runs no code of the file's maker.

    `CLOSED`: what the maker wrote may do more than compute, so only where the worker can reach nothing.
    """

    def load(self, source: Source) -> Native:
        """Load the model, after all that can be checked without loading has been checked."""

    def to_onnx(self, source: Source, native: Native, target: Path) -> None:
        """Write the same model as ONNX; raises anything if that cannot be done."""


def framework_of(kind: Kind) -> Framework:
    """The module for a format."""
    return cast("Framework", importlib.import_module(HERE + MODULES[kind][0]))


def needs_sandbox(served: Served) -> bool:
    """True if its framework may serve it only where processes are closed in by bubblewrap."""
    return framework_of(served.kind).WORKER == CLOSED


def load_native(source: Source) -> Native:
    """Load a model by its framework.

    Raises:
        ModelRefusedError: it is damaged, needs code of its maker, or the framework is not installed.
    """
    name, framework = MODULES[source.kind][1], framework_of(source.kind)
    try:
        return framework.load(source)
    except (MLaaS4HEPError, MemoryError):
        raise
    except ImportError as error:
        what = f"the model needs {name}, which cannot be loaded on this server ({first_line(error)})"
        raise ModelRefusedError(what) from error
    except Exception as error:  # loaders raise anything on a damaged file
        what = f"the model cannot be loaded by {framework.FRAMEWORK} ({first_line(error)})"
        raise ModelRefusedError(what) from error


def open_native(folder: Path, threads: int) -> Native:
    """The model of a version's folder, by its framework: for workers."""
    if (folder / "manifest.json").is_file():
        return _bundle(folder, threads)
    served = read_served(folder)
    source = Source(
        kind=served.kind,
        path=folder / served.original,
        inputs=served.inputs,
        outputs=served.outputs,
        batch=served.batched,
        params=served.params,
        labels=served.labels,
        threads=threads,
    )
    native = load_native(source)
    return Native(native.platform, served.inputs, served.outputs, native.run, served.batched, served.classes)


def _bundle(folder: Path, threads: int) -> Native:
    from mlaas4hep.bundle import load_bundle

    bundle = load_bundle(folder)
    manifest = bundle.manifest
    scorer = bundle.native_scorer(threads=threads)

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        return {SCORES: scorer.scores(np.asarray(inputs[FEATURES], np.float32))}

    columns = manifest.layout.columns
    names = manifest.score_names
    return Native(
        platform=manifest.framework,
        inputs=(TensorSpec(FEATURES, "float32", (-1, len(columns)), columns),),
        outputs=(TensorSpec(SCORES, "float32", (-1, manifest.width), names),),
        run=run,
        batched=True,
        classes=manifest.classes,
    )
