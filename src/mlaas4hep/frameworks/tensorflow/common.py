"""What SavedModels, frozen graphs and Keras models share: TensorFlow's functions run, and turned into ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.onnx.names import OPSET, rename
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec, first_axis_free, spec_of_tensor

__all__ = ["check_graph", "check_operations", "known_spec", "native", "tensorflow", "to_onnx"]

FORBIDDEN: Final = (
    "PyFunc",
    "EagerPyFunc",
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "Reader",
    "Dataset",
    "Rpc",
    "LoadLib",
)
"""Parts of the names of operations that read or write files, or run code that is not in the graph."""


def tensorflow(threads: int) -> Any:
    """Return the module, told to use this number of threads."""
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        pass  # it runs already
    return tf


def check_operations(names: Iterable[str]) -> None:
    """Refuse graphs that reach out of themselves.

    Raises:
        ModelRefusedError: with the operation's name.
    """
    for name in names:
        if any(part in name for part in FORBIDDEN):
            what = f"the graph holds the operation {name}, which accesses files or code outside the graph"
            raise ModelRefusedError(what)


def check_graph(graph: Any) -> None:
    """Apply `check_operations` to a ``GraphDef`` and its functions."""
    check_operations(node.op for node in graph.node)
    check_operations(node.op for function in graph.library.function for node in function.node_def)


def known_spec(name: str, tensor: Any) -> TensorSpec:
    """Return the spec of a TensorFlow tensor or TensorSpec.

    Raises:
        ModelRefusedError: its number of axes is not known.
    """
    if tensor.shape.rank is None:
        what = f"the shape of the tensor {name!r} is not known"
        raise ModelRefusedError(what, hint="give it in config.pbtxt or params.json")
    return spec_of_tensor(name, tensor)


def native(
    platform: str,
    call: Callable[[list[Any]], Sequence[Any]],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    owner: Any,
) -> Native:
    """Return a loaded model of a function of TensorFlow's tensors by position.

    Args:
        platform: as Triton calls it.
        call: the function.
        inputs: of the function, in its order.
        outputs: likewise.
        owner: what has to live as long as the function.
    """

    def run(tensors: Tensors) -> dict[str, NDArray[Any]]:
        import tensorflow as tf

        values = call([tf.constant(tensors[spec.name], _dtype(spec)) for spec in inputs])
        return {spec.name: np.asarray(value) for spec, value in zip(outputs, values, strict=True)}

    batched = first_axis_free((*inputs, *outputs))
    return Native(platform, tuple(inputs), tuple(outputs), run, batched, model=(call, owner))


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Write a model of `native` as ONNX, by tf2onnx; raises anything if an operation has no ONNX form."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    call, _ = native.model

    def positional(*tensors: Any) -> list[Any]:
        return [tf.identity(value, f"result_{number}") for number, value in enumerate(call(list(tensors)))]

    signature = [
        tf.TensorSpec([None if size == -1 else size for size in spec.shape], _dtype(spec), f"given_{number}")
        for number, spec in enumerate(native.inputs)
    ]
    function = tf.function(positional)
    captured = function.get_concrete_function(*signature).graph.captures
    model, _ = tf2onnx.convert.from_function(function, signature, opset=OPSET)
    _keep_constants(model, {inner.name: outer for outer, inner in captured})
    rename(model, [spec.name for spec in native.inputs], [spec.name for spec in native.outputs])
    onnx.save(model, target)


def _keep_constants(model: Any, captured: Mapping[str, Any]) -> None:
    """Give the constants that a function captured, which the converter takes for inputs, their values again."""
    from onnx import numpy_helper

    for value in list(model.graph.input):
        tensor = captured.get(value.name, captured.get(f"{value.name}:0"))
        if tensor is not None:
            if tensor.dtype.name == "resource":
                msg = "a table or another resource of TensorFlow"
                raise NotImplementedError(msg)
            model.graph.input.remove(value)
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(tensor), value.name))


def _dtype(spec: TensorSpec) -> Any:
    import tensorflow as tf

    return tf.string if spec.dtype == "object" else tf.dtypes.as_dtype(spec.dtype)
