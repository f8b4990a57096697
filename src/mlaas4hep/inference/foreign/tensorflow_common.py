"""What SavedModels, frozen graphs and Keras models share: TensorFlow's functions run, and turned into ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.inference.failures import ModelRefusedError
from mlaas4hep.inference.foreign.onnx_names import OPSET, rename
from mlaas4hep.inference.runtimes.base import Tensors, TensorSpec

__all__ = ["check_operations", "export", "first_axis_free", "runner", "spec_of_tensor", "tensorflow"]

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
    """The module, told to use so many threads."""
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
            what = f"the graph holds the operation {name}, which reaches for files or code outside of it"
            raise ModelRefusedError(what)


def spec_of_tensor(name: str, tensor: Any) -> TensorSpec:
    """The spec of a TensorFlow tensor or TensorSpec."""
    kind = tensor.dtype.name if hasattr(tensor.dtype, "name") else str(tensor.dtype)
    dtype = "object" if kind == "string" else kind
    if tensor.shape.rank is None:
        what = f"the shape of the tensor {name!r} is not known"
        raise ModelRefusedError(what, hint="give it in config.pbtxt or params.json")
    return TensorSpec(name, dtype, tuple(-1 if size is None else int(size) for size in tensor.shape))


def first_axis_free(specs: Iterable[TensorSpec]) -> bool:
    """True if every tensor has a first axis of any size."""
    return all(spec.shape[:1] == (-1,) for spec in specs)


def runner(
    call: Callable[[list[Any]], Sequence[Any]], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> Callable[[Tensors], dict[str, NDArray[Any]]]:
    """A function of tensors by name from a function of TensorFlow's tensors by position."""

    def run(tensors: Tensors) -> dict[str, NDArray[Any]]:
        import tensorflow as tf

        values = call([tf.constant(tensors[spec.name], _dtype(spec)) for spec in inputs])
        return {spec.name: np.asarray(value) for spec, value in zip(outputs, values, strict=True)}

    return run


def export(
    call: Callable[[list[Any]], Sequence[Any]],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    target: Path,
) -> None:
    """Write a function as ONNX, with the names of the specs; raises anything if an operation has no ONNX form."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    def positional(*tensors: Any) -> list[Any]:
        return [tf.identity(value, f"result_{number}") for number, value in enumerate(call(list(tensors)))]

    signature = [
        tf.TensorSpec([None if size == -1 else size for size in spec.shape], _dtype(spec), f"given_{number}")
        for number, spec in enumerate(inputs)
    ]
    model, _ = tf2onnx.convert.from_function(tf.function(positional), signature, opset=OPSET)
    rename(model, [spec.name for spec in inputs], [spec.name for spec in outputs])
    onnx.save(model, target)


def _dtype(spec: TensorSpec) -> Any:
    import tensorflow as tf

    return tf.string if spec.dtype == "object" else tf.dtypes.as_dtype(spec.dtype)
