"""Opens the model of a version's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlaas4hep.errors import BundleError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.registry import format_of_kind
from mlaas4hep.frameworks.tensors import Runtime
from mlaas4hep.frameworks.user_code.build import CODE_FILE
from mlaas4hep.inference.repository.served_json import read_served
from mlaas4hep.inference.settings import Limits
from mlaas4hep.sandbox import confinement

__all__ = ["open_runtime"]


def open_runtime(folder: Path, *, threads: int, limits: Limits) -> Runtime:
    """Load the model of one version. This takes seconds where a framework has to be loaded.

    Args:
        folder: a bundle (``manifest.json``), a converted foreign model (``served.json``), or just ``model.onnx``.
        threads: threads of one run.
        limits: memory of a model, time in which a worker must be ready.

    Raises:
        ModelRefusedError: there is no such file, or the model cannot be loaded.
        ModelFailedError: the worker died while loading.
        ModelTimeoutError: the worker was not ready in time.
    """
    if (folder / "manifest.json").is_file():
        return _bundle(folder, threads, limits)
    if (folder / "served.json").is_file():
        served = read_served(folder)
        if served.runtime == "worker":
            if format_of_kind(served.kind).worker == "sandboxed" and confinement.method() != "bubblewrap":
                what = f"a model of {served.framework} is run by its framework only in a sandbox"
                raise ModelRefusedError(what, hint="install bubblewrap on the server, or export the model to ONNX")
            return _worker(folder, threads, limits)
        return _onnx(folder, threads, limits, batched=served.batched, specs=(*served.inputs, *served.outputs))
    if (folder / "model.onnx").is_file():
        return _onnx(folder, threads, limits)
    raise ModelRefusedError("there is no model in this version: no manifest.json, served.json or model.onnx")


def _bundle(folder: Path, threads: int, limits: Limits) -> Runtime:
    from mlaas4hep.bundle import read_manifest

    try:
        manifest = read_manifest((folder / "manifest.json").read_bytes(), "manifest.json")
    except (BundleError, OSError) as error:
        raise ModelRefusedError(f"the bundle cannot be read ({error})") from error
    if manifest.served != "onnx":
        if (folder / "native" / CODE_FILE).is_file():
            what = "this bundle's torch model has no ONNX form, and a server does not run the code in its model.py"
            raise ModelRefusedError(what, hint="export it with torch.jit.script or torch.export, and upload that")
        return _worker(folder, threads, limits)
    return _onnx(folder, threads, limits, batched=True, specs=manifest.tensors)


def _onnx(folder: Path, threads: int, limits: Limits, **known: Any) -> Runtime:
    from mlaas4hep.frameworks.onnx.runtime import OnnxRuntime

    return OnnxRuntime(folder / "model.onnx", threads, memory=limits.model_memory, **known)


def _worker(folder: Path, threads: int, limits: Limits) -> Runtime:
    from mlaas4hep.inference.execution.worker import WorkerRuntime

    timeout = limits.conversion_timeout
    return WorkerRuntime(folder, threads=threads, memory=limits.model_memory, load_timeout=timeout)
