"""ONNX models: loaded, checked; those made for exactly one row are freed from that where it changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from mlaas4hep.inference.failures import ModelRefusedError
from mlaas4hep.inference.foreign.base import Native, Source
from mlaas4hep.inference.foreign.compare import differences, examples, stacked
from mlaas4hep.inference.runtimes.base import Tensors
from mlaas4hep.inference.runtimes.onnx_runtime import OnnxRuntime

__all__ = ["FRAMEWORK", "WORKER", "free_batch", "load", "to_onnx"]

FRAMEWORK: Final = "ONNX"
WORKER: Final = False


def load(source: Source) -> Native:
    """Load by ONNX Runtime.

    Raises:
        ModelRefusedError: it cannot be loaded, or keeps weights in files outside of itself.
    """
    _check_external(source.path)
    runtime = OnnxRuntime(source.path, source.threads)

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        return runtime.run(inputs)

    batched = runtime.batched and source.batch is not False
    return Native(runtime.platform, runtime.inputs, runtime.outputs, run, batched)


def to_onnx(source: Source, native: Native, target: Path) -> None:
    """The file itself; if all its tensors have a first axis of 1, with that axis of any size where that works."""
    specs = (*native.inputs, *native.outputs)
    if all(spec.shape[:1] == (1,) and len(spec.shape) > 1 for spec in specs):
        free_batch(source.path, target)
        try:
            _, wrong = differences(OnnxRuntime(target).run, stacked(examples(native)))
        except Exception as error:  # the graph itself says that there is one row
            wrong = str(error)
        if not wrong:
            return
    shutil.copyfile(source.path, target)


def free_batch(path: Path, target: Path) -> None:
    """Write the model with a first axis of any size in all inputs and outputs. The caller checks that it works."""
    import onnx

    model = onnx.load(path)
    initial = {tensor.name for tensor in model.graph.initializer}
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        if value.name not in initial:
            dim = value.type.tensor_type.shape.dim[0]
            dim.Clear()
            dim.dim_param = "N"
    onnx.save(model, target)


def _check_external(path: Path) -> None:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        what = f"the ONNX file is damaged ({error})"
        raise ModelRefusedError(what) from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        what = "the ONNX model keeps weights in a file beside it"
        raise ModelRefusedError(what, hint="save it as one file (onnx.save without external data)")


def _tensors(model: Any) -> list[Any]:
    """All tensors of a model: initialisers and constants, also in inner graphs and functions."""
    found: list[Any] = []
    graphs: list[Any] = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            found.extend(graph.initializer)
            for sparse in graph.sparse_initializer:
                found.extend((sparse.values, sparse.indices))
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            found.extend((attribute.t, *attribute.tensors))
            graphs.extend((*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs))
    return found
