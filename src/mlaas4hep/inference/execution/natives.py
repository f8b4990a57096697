"""Which module knows which format; loading a model by its own framework."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.errors.text import first_line
from mlaas4hep.frameworks.foreign import Kind, Loader, Native, Source
from mlaas4hep.frameworks.registry import format_of_kind
from mlaas4hep.frameworks.tensors import FEATURES, SCORES, Tensors
from mlaas4hep.inference.execution.served import read_served

__all__ = ["load_native", "loader_of", "open_native"]


def loader_of(kind: Kind) -> Loader:
    """Return the module that loads a format."""
    return cast("Loader", importlib.import_module(format_of_kind(kind).module))


def load_native(source: Source) -> Native:
    """Load a model by its framework.

    Raises:
        ModelRefusedError: it is damaged, needs code of its maker, or the framework is not installed.
    """
    known = format_of_kind(source.kind)
    try:
        return loader_of(source.kind).load(source)
    except (MLaaS4HEPError, MemoryError):
        raise
    except ImportError as error:
        what = f"the model needs {known.package}, which cannot be loaded on this server ({first_line(error)})"
        raise ModelRefusedError(what) from error
    except Exception as error:  # loaders raise anything on a damaged file
        what = f"the model cannot be loaded by {known.maker} ({first_line(error)})"
        raise ModelRefusedError(what) from error


def open_native(folder: Path, threads: int) -> Native:
    """Load the model of a version's folder by its framework: for workers."""
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

    given, made = manifest.tensors
    return Native(manifest.framework, (given,), (made,), run, batched=True, classes=manifest.classes)
