"""TensorFlow SavedModel folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.tensorflow.common import check_graph, known_spec, native, tensorflow, to_onnx
from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["load", "to_onnx"]

DEFAULT: Final = "serving_default"


def load(source: Source) -> Native:
    """Load the signature ``serving_default``, the one that params.json names as ``signature``, or the only one.

    Raises:
        ModelRefusedError: there is none, or the graph reaches for files or code outside of it.
    """
    tf = tensorflow(source.threads)
    _check(source.path)
    model = tf.saved_model.load(str(source.path))
    signatures = dict(model.signatures)
    wanted = str(source.params.get("signature") or DEFAULT)
    if wanted not in signatures and len(signatures) == 1:
        wanted = next(iter(signatures))
    if wanted not in signatures:
        what = f"the SavedModel has no signature {wanted!r} (it has: {', '.join(sorted(signatures)) or 'none'})"
        raise ModelRefusedError(what, hint="name one as signature in params.json")
    function = signatures[wanted]
    given = function.structured_input_signature[1]
    said = {spec.name: spec for spec in source.inputs}
    inputs = tuple(
        said[name] if given[name].shape.rank is None and name in said else known_spec(name, given[name])
        for name in sorted(given)  # the file keeps no order
    )
    outputs = tuple(_output(name, tensor) for name, tensor in sorted(function.structured_outputs.items()))

    def call(tensors: Sequence[Any]) -> list[Any]:
        results = function(**dict(zip((spec.name for spec in inputs), tensors, strict=True)))
        return [results[spec.name] for spec in outputs]

    return native("tensorflow_savedmodel", call, inputs, outputs, model)


def _output(name: str, tensor: Any) -> TensorSpec:
    """An output; where its number of axes is not known the judge finds it."""
    return TensorSpec(name, tensor.dtype.name, ()) if tensor.shape.rank is None else known_spec(name, tensor)


def _check(folder: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for meta in saved.meta_graphs:
        check_graph(meta.graph_def)
