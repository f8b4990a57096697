"""Descriptions of models in JSON: versions, metadata, params."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlaas4hep.frameworks.tensors import TensorSpec, row_names
from mlaas4hep.inference.model_info import ModelInfo

__all__ = ["example_of", "metadata_json", "params_json", "version_json"]

KEYS = 1000


def version_json(info: ModelInfo) -> dict[str, Any]:
    """Return a version, in short."""
    return {
        "model": info.name,
        "version": info.version,
        "state": info.state,
        "reason": info.reason,
        "labels": list(info.labels),
        "platform": info.platform,
        "classes": list(info.classes),
    }


def metadata_json(info: ModelInfo) -> dict[str, Any]:
    """Return a version with everything a client needs to ask it: branches and their kinds, tensors, an example."""
    return {
        **version_json(info),
        "branches": dict(info.branches or {}),
        "inputs": [_tensor(spec) for spec in info.inputs],
        "outputs": [_tensor(spec) for spec in info.outputs],
        "batched": info.batched,
        "example": example_of(info),
        "params": dict(info.params or {}),
        "metadata": dict(info.metadata or {}),
    }


def params_json(info: ModelInfo) -> dict[str, Any]:
    """Return a model's params.json as TFaaS lists it; missing entries follow from what is known."""
    params = dict(info.params or {})
    metadata: Mapping[str, Any] = info.metadata or {}
    source = info.inputs[0].name if info.inputs else ""
    result = info.outputs[0].name if info.outputs else ""
    for new, old in (("input_node", "inputNode"), ("output_node", "outputNode")):
        if not params.get(new) and params.get(old):
            params[new] = params[old]
    for key, value in (
        ("model", "model.onnx"),
        ("labels", ""),
        ("op", ""),
        ("input_name", source),
        ("output_name", result),
        ("img_channels", 0),
        ("options", []),
        ("input_node", source),
        ("output_node", result),
        ("description", metadata.get("description", "")),
        ("timestamp", metadata.get("created", "")),
    ):
        params.setdefault(key, value)
    params.setdefault("inputNode", params["input_node"])
    params.setdefault("outputNode", params["output_node"])
    return {**params, "name": info.name, "version": info.version}


def example_of(info: ModelInfo) -> dict[str, Any]:
    """Return the body of a request that the model understands; the numbers in it mean nothing."""
    if info.branches:
        values = [[1.0, 2.0] if kind == "jagged" else 1.0 for kind in info.branches.values()]
        return {"model": info.name, "keys": list(info.branches), "values": values}
    names = row_names(info.inputs)
    if names and len(names) <= KEYS and _in_rows(info):
        return {"model": info.name, "keys": list(names), "values": [0.0] * len(names)}
    shape = info.inputs[0].shape if len(info.inputs) == 1 else ()
    if len(shape) == 2 and 0 < shape[1] <= 1000:
        return {"model": info.name, "rows": [[0.0] * shape[1]]}
    return {}


def _in_rows(info: ModelInfo) -> bool:
    """Return true if a row is made of the model's columns, or of one number for each of its inputs."""
    if len(info.inputs) == 1:
        return len(info.inputs[0].shape) == 2
    return all(math.prod(spec.shape[1:] if info.batched else spec.shape) == 1 for spec in info.inputs)


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape), "columns": list(spec.columns)}
