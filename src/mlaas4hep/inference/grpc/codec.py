"""Inference requests and answers between protobuf messages and arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tritonclient.grpc import service_pb2

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.answers import Inferred
from mlaas4hep.inference.models.plane import DataPlane
from mlaas4hep.inference.protocol import raw, values
from mlaas4hep.inference.protocol.classification import classified
from mlaas4hep.inference.protocol.datatypes import Array, datatype_of

__all__ = ["inputs_of", "response_of", "wanted_of"]

_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_SEQUENCE = ("sequence_id", "sequence_start", "sequence_end")
_SHARED = "shared_memory_region"


def inputs_of(request: Any) -> dict[str, Array]:
    """Return the tensors of a ``ModelInferRequest`` by name, from its raw or its typed contents.

    Raises:
        BadRequestError: they do not fit their shape or datatype; names the tensor.
    """
    tensors = request.inputs
    if not tensors:
        raise BadRequestError("the request has no inputs")
    contents = request.raw_input_contents
    if contents and len(contents) != len(tensors):
        raise BadRequestError(f"there are {len(contents)} raw contents for {len(tensors)} inputs")
    if request.parameters:
        _check_parameters(request.parameters)
    inputs: dict[str, Array] = {}
    for number, tensor in enumerate(tensors):
        name = tensor.name
        if tensor.parameters and _SHARED in tensor.parameters:
            raise BadRequestError("shared memory is not supported", where=f"tensor {name!r}", hint="send the data")
        if name in inputs:
            raise BadRequestError("the tensor is given twice", where=f"tensor {name!r}")
        if contents:
            if tensor.HasField("contents"):
                raise BadRequestError("raw and typed contents are mixed", where=f"tensor {name!r}")
            inputs[name] = raw.decode(name, tensor.datatype, tuple(tensor.shape), contents[number])
        else:
            inputs[name] = _typed(name, tensor)
    return inputs


def wanted_of(request: Any) -> list[str] | None:
    """Return the names of the outputs asked for; None: all."""
    return [output.name for output in request.outputs] or None


def response_of(plane: DataPlane, request: Any, inferred: Inferred) -> Any:
    """Return the ``ModelInferResponse``: raw contents, only what was asked for, the id of the request.

    Raises:
        BadRequestError: a classification is asked of an output that has none.
    """
    response = service_pb2.ModelInferResponse(model_name=inferred.model, model_version=inferred.version, id=request.id)
    for name, array in _outputs(plane, request, inferred):
        response.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        response.raw_output_contents.append(raw.encode(array))
    return response


def _outputs(plane: DataPlane, request: Any, inferred: Inferred) -> Iterable[tuple[str, Array]]:
    if not request.outputs:
        yield from inferred.outputs.items()
    for output in request.outputs:
        name = output.name
        array = inferred.outputs[name]
        if output.parameters:
            if _SHARED in output.parameters:
                raise BadRequestError("shared memory is not supported", where=f"output {name!r}")
            if "classification" in output.parameters:
                array = classified(plane, inferred, name, output.parameters["classification"].int64_param)
        yield name, array


def _typed(name: str, tensor: Any) -> Array:
    datatype = tensor.datatype
    field = _FIELDS.get(datatype)
    if field is None:
        if datatype == "FP16":
            raise BadRequestError(
                "FP16 has no typed contents", where=f"tensor {name!r}", hint="send it in raw_input_contents"
            )
        field = "fp32_contents"  # any: the datatype is refused below
    contents = getattr(tensor.contents, field)[:]
    if datatype == "BYTES":
        contents = raw.strings(name, contents)
    return values.decode(name, datatype, tuple(tensor.shape), contents)


def _check_parameters(parameters: Any) -> None:
    for key in _SEQUENCE:
        if key in parameters:
            value = parameters[key]
            if any(getattr(value, kind) for kind in ("bool_param", "int64_param", "uint64_param", "string_param")):
                raise BadRequestError("sequences of requests are not supported")
