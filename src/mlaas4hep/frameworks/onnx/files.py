"""ONNX models: served as they are, but for maps that become matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.onnx.edit import read_model, without_bfloat16, without_maps
from mlaas4hep.frameworks.onnx.runtime import OnnxRuntime
from mlaas4hep.frameworks.onnx.session import open_session
from mlaas4hep.frameworks.onnx.walk import inputs_of
from mlaas4hep.frameworks.tensors import Tensors

__all__ = ["load", "to_onnx"]


def load(source: Source) -> Native:
    """Load by ONNX Runtime.

    Raises:
        ModelRefusedError: it cannot be loaded, weights are missing, or a tensor is of a type or shape not served.
    """
    model = read_model(source.path)
    kinds = {value.name for value in model.graph.output if value.type.HasField("sequence_type")}
    classes = without_maps(model)
    changed = kinds != {value.name for value in model.graph.output if value.type.HasField("sequence_type")}
    without_bfloat16(model)
    _give_shapes(model, source)
    runtime = OnnxRuntime(model.SerializeToString(), source.threads)
    run: Callable[[Tensors], dict[str, NDArray[Any]]] = runtime.run
    if changed:
        run = _original(source.path, [spec.name for spec in runtime.outputs], classes)
    batched = runtime.batched and source.batch is not False
    return Native(
        runtime.platform, runtime.inputs, runtime.outputs, run, batched, classes, model, symbols=_symbols(model)
    )


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Write the model."""
    import onnx

    onnx.save(native.model, target)


def _original(path: Path, names: Sequence[str], classes: Sequence[str]) -> Callable[[Tensors], dict[str, NDArray[Any]]]:
    """The model as it was sent, with its maps as matrices and its lists of tensors one by one, under these names."""
    session = open_session(path, 1)

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        found: list[NDArray[Any]] = []
        for value in session.run(None, dict(inputs)):
            if isinstance(value, list) and all(isinstance(row, dict) for row in value):
                rows = [{str(key): number for key, number in row.items()} for row in value]
                found.append(np.array([[row[name] for name in classes] for row in rows], np.float32))
            else:
                found.extend(value if isinstance(value, list) else [value])
        return dict(zip(names, found, strict=True))

    return run


def _give_shapes(model: Any, source: Source) -> None:
    """Write the shapes of inputs that are not in the file into it, from config.pbtxt or params.json."""
    said = {spec.name: spec for spec in source.inputs}
    for value in inputs_of(model.graph):
        if not value.type.HasField("tensor_type") or value.type.tensor_type.HasField("shape"):
            continue
        if value.name not in said:
            what = f"the shape of the ONNX model's input {value.name!r} is not in the file"
            raise ModelRefusedError(what, hint="give it in config.pbtxt or as inputs in params.json")
        value.type.tensor_type.shape.SetInParent()
        for size in said[value.name].shape:
            dim = value.type.tensor_type.shape.dim.add()
            if size >= 0:
                dim.dim_value = size


def _symbols(model: Any) -> dict[str, tuple[str, ...]]:
    """The names that the axes of the inputs have in the file; "" for those without."""
    return {value.name: tuple(dim.dim_param for dim in value.type.tensor_type.shape.dim) for value in model.graph.input}
