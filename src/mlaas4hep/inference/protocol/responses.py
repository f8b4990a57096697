"""Metadata, configuration and index as the JSON objects of the protocol and of Triton's extensions."""

from __future__ import annotations

from typing import Any

from mlaas4hep import __version__
from mlaas4hep.errors.serving import ModelUnavailableError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.protocol.checksums import checksums
from mlaas4hep.inference.protocol.datatypes import datatype_of_spec
from mlaas4hep.inference.repository.facts import batch_for
from mlaas4hep.inference.server import Server

__all__ = ["EXTENSIONS", "READY", "config", "index", "is_ready", "metadata", "server_metadata"]

READY = "READY"

EXTENSIONS = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
"""Triton's extensions that there are."""


def server_metadata() -> dict[str, Any]:
    """Return name, version and extensions of the server."""
    return {"name": "mlaas4hep", "version": __version__, "extensions": list(EXTENSIONS)}


def is_ready(info: ModelInfo) -> bool:
    """Return true if a request is answered: by a version in memory, or by one that is loaded when it is asked for."""
    return info.state == READY or info.on_demand


async def metadata(server: Server, model: str, version: str) -> dict[str, Any]:
    """Return a model's tensors, with -1 for the row axis, and under `parameters` a bundle's branches and classes."""
    info = await _described(server, model, version)
    versions = [info.version] if version else _versions(server, info)
    described: dict[str, Any] = {
        "name": info.name,
        "versions": versions,
        "platform": info.platform,
        "inputs": [_tensor(spec, batched=info.batched) for spec in info.inputs],
        "outputs": [_tensor(spec, batched=info.batched) for spec in info.outputs],
    }
    parameters = {
        "branches": dict(info.branches) if info.branches else None,
        "classes": list(info.classes) or None,
        "labels": list(info.labels) or None,
    }
    described["parameters"] = {key: value for key, value in parameters.items() if value}
    return described


async def config(server: Server, model: str, version: str) -> dict[str, Any]:
    """Return Triton's model configuration: shapes without the row axis, and the checksums of the model's files.

    `max_batch_size` is what the user's config.pbtxt says, else as many rows as the limit on bodies allows. Where it is
    0 the shapes have all axes, as Triton has it.

    Args:
        server: knows the model.
        model: its name.
        version: a number, a label, or "" for the default.
    """
    info = await _described(server, model, version)
    size = batch_for(info.inputs, info.outputs) if info.max_batch_size is None else info.max_batch_size
    size = size if info.batched else 0
    described: dict[str, Any] = {
        "name": info.name,
        "platform": info.platform,
        "backend": info.platform.partition("_")[0],
        "version_policy": {"all": {}},
        "max_batch_size": size,
        "input": [_dims(spec, batched=size > 0) for spec in info.inputs],
        "output": [_dims(spec, batched=size > 0) for spec in info.outputs],
    }
    sums = await checksums(server, model, version)
    if sums:
        described["model_repository_agents"] = {"agents": [{"name": "checksum", "parameters": sums}]}
    return described


def index(server: Server, *, ready: bool = False) -> list[dict[str, Any]]:
    """Return all versions of all models, or only those that are ready, with Triton's states."""
    return [
        {
            "name": info.name,
            "version": info.version,
            "state": READY if is_ready(info) else info.state if info.state == "LOADING" else "UNAVAILABLE",
            "reason": info.reason or ("" if info.state in {READY, "LOADING"} else info.state.lower()),
        }
        for info in server.models()
        if is_ready(info) or not ready
    ]


async def _described(server: Server, model: str, version: str) -> ModelInfo:
    """Return what is known of a version, after loading it if a request for it would do so and its tensors are unknown.

    Raises:
        ModelNotFoundError: no such model or version.
        ModelUnavailableError: it is not loaded, and so its tensors are not known.
    """
    info = server.info(model, version)
    if info.on_demand and not info.inputs:
        info = await server.load(info.name, info.version)
    if not info.inputs and info.state != READY:
        raise ModelUnavailableError(
            info.reason or f"the model is not ready ({info.state})",
            where=f"model {model!r}, version {info.version}",
            hint="load it first",
        )
    return info


def _versions(server: Server, info: ModelInfo) -> list[str]:
    """Return those that can be asked for, in memory or not."""
    possible = {other.version for other in server.models() if other.name == info.name and other.state != "FAILED"}
    return sorted(possible | {info.version}, key=lambda text: (len(text), text))


def _tensor(spec: TensorSpec, *, batched: bool) -> dict[str, Any]:
    shape = [-1, *spec.shape[1:]] if batched else list(spec.shape)
    return {"name": spec.name, "datatype": datatype_of_spec(spec.dtype), "shape": shape}


def _dims(spec: TensorSpec, *, batched: bool) -> dict[str, Any]:
    datatype = datatype_of_spec(spec.dtype)
    return {
        "name": spec.name,
        "data_type": "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}",
        "dims": list(spec.shape[1:] if batched else spec.shape),
    }
