"""Inference requests and answers of the Open Inference Protocol v2 as JSON, with binary tensors behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.protocol import raw, values
from mlaas4hep.inference.protocol.datatypes import Array, datatype_of, datatype_of_spec
from mlaas4hep.web.bodies import Buffer, decode_json

__all__ = ["Request", "Wanted", "answer", "read", "read_raw"]

_SEQUENCE = ("sequence_id", "sequence_start", "sequence_end")
_NUMPY = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output a client asks for: as binary or JSON, whole or (`classification` not None) its largest entries."""

    name: str
    binary: bool
    classification: object = None


@dataclass(slots=True)
class Request:
    """A decoded request: tensors by name, and what is asked for (None: all outputs, binary or not)."""

    inputs: dict[str, Array]
    wanted: tuple[Wanted, ...] | None
    id: str | None
    binary: bool


def read(body: Buffer, header: int | None) -> Request:
    """Decode a request.

    Args:
        body: the JSON object, and behind it binary tensors in the order of the inputs.
        header: bytes of the JSON part; None: all of it.

    Raises:
        BadRequestError: says which tensor or key is wrong.
    """
    if header is None:
        end, text = len(body), body
    else:
        end = header
        if end > len(body):
            raise BadRequestError(f"inference-header-content-length is {end}, but the body has {len(body)} bytes")
        text = memoryview(body)[:end]
    document = decode_json(bytes(text))
    tensors = document.get("inputs")
    if not isinstance(tensors, list) or not tensors:
        raise BadRequestError(
            "the request has no inputs", hint='send "inputs": [{"name", "shape", "datatype", "data"}]'
        )
    inputs: dict[str, Array] = {}
    for tensor in tensors:
        name = _name(tensor, "input")
        if name in inputs:
            raise BadRequestError("the tensor is given twice", where=f"tensor {name!r}")
        inputs[name], end = _tensor(name, tensor, body, end)
    if end != len(body):
        raise BadRequestError(f"{len(body) - end} bytes are left behind the last tensor")
    parameters = _parameters(document, "the request") if "parameters" in document else {}
    if parameters and any(parameters.get(key) for key in _SEQUENCE):
        raise BadRequestError("sequences of requests are not supported")
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise BadRequestError("the id must be a string")
    binary = parameters.get("binary_data_output") is True
    return Request(inputs, _wanted(document.get("outputs"), binary=binary), identity, binary)


def read_raw(body: Buffer, inputs: Sequence[TensorSpec], model: str) -> Request:
    """Decode a request that is only the bytes of the only input; one size of its shape follows from their number.

    Raises:
        BadRequestError: the model has several inputs, more than one size is open, or the bytes do not fit.
    """
    if len(inputs) != 1 or inputs[0].shape.count(-1) > 1 or inputs[0].dtype == "object":
        raise BadRequestError(
            "only a model with one input of numbers, and one open size, takes bytes alone",
            where=f"model {model!r}",
            hint="send inference-header-content-length with the length of the JSON part",
        )
    spec = inputs[0]
    row = math.prod(size for size in spec.shape if size >= 0) * np.dtype(spec.dtype).itemsize
    rows = len(body) // row if row else 0
    shape = [rows if size < 0 else size for size in spec.shape]
    array = raw.decode(spec.name, datatype_of_spec(spec.dtype), shape, body)
    return Request({spec.name: array}, None, None, binary=True)


def answer(
    model: str, version: str, identity: str | None, outputs: Sequence[tuple[str, Array, bool]]
) -> tuple[bytes, int | None]:
    """Return an answer: its body, and the length of its JSON part if binary tensors follow.

    Args:
        model: name of the model that answered.
        version: its version.
        identity: of the request; None: none.
        outputs: name, tensor, and whether it is sent as bytes.

    Raises:
        BadRequestError: infinity is to be sent as JSON.
    """
    described: list[dict[str, Any]] = []
    tail: list[bytes] = []
    for name, array, binary in outputs:
        entry: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": array.shape}
        if binary:
            tail.append(raw.encode(array))
            entry["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            entry["data"] = values.encode(array)
        described.append(entry)
    document: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": described}
    if identity is not None:
        document["id"] = identity
    head = orjson.dumps(document, option=_NUMPY)
    if b"null" in head:
        for name, array, binary in outputs:
            if not binary:
                values.check_finite(name, array)
    return (b"".join((head, *tail)), len(head)) if tail else (head, None)


def _tensor(name: str, tensor: dict[str, Any], body: Buffer, start: int) -> tuple[Array, int]:
    """Return a tensor, and where in the body the next one begins."""
    datatype = tensor.get("datatype")
    shape = tensor.get("shape")
    parameters = tensor.get("parameters")
    if parameters is not None:
        parameters = _parameters(tensor, f"tensor {name!r}")
        if "shared_memory_region" in parameters:
            raise BadRequestError("shared memory is not supported", where=f"tensor {name!r}", hint="send the data")
        size = parameters.get("binary_data_size")
        if size is not None:
            if type(size) is not int or size < 0:
                raise BadRequestError("binary_data_size must be a number of bytes", where=f"tensor {name!r}")
            return raw.decode(name, datatype, shape, body, start, size), start + size  # type: ignore[arg-type]
    if "data" not in tensor:
        raise BadRequestError("the tensor has no data", where=f"tensor {name!r}")
    return values.decode(name, datatype, shape, tensor["data"]), start  # type: ignore[arg-type]


def _wanted(outputs: Any, *, binary: bool) -> tuple[Wanted, ...] | None:
    if outputs is None or outputs == []:
        return None
    if not isinstance(outputs, list):
        raise BadRequestError("the outputs must be a list")
    wanted: list[Wanted] = []
    for output in outputs:
        name = _name(output, "output")
        parameters = _parameters(output, f"output {name!r}")
        if "shared_memory_region" in parameters:
            raise BadRequestError("shared memory is not supported", where=f"output {name!r}")
        as_bytes = parameters.get("binary_data", binary) is True
        wanted.append(Wanted(name, as_bytes, parameters.get("classification")))
    return tuple(wanted)


def _name(entry: Any, kind: str) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise BadRequestError(f"an {kind} has no name")
    return name


def _parameters(entry: dict[str, Any], where: str) -> dict[str, Any]:
    parameters = entry.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise BadRequestError("the parameters must be an object", where=where)
    return parameters
