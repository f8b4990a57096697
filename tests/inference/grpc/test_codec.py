from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.grpc.codec import inputs_of, wanted_of


def request(datatype: str = "FP32", shape: Any = (1, 2), **contents: Any) -> Any:
    message = pb.ModelInferRequest(model_name="m")
    message.inputs.add(name="x", datatype=datatype, shape=shape, contents=pb.InferTensorContents(**contents))
    return message


@pytest.mark.parametrize(
    ("datatype", "field", "data"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-128, 127]),
        ("INT16", "int_contents", [-(2**15), 1]),
        ("INT32", "int_contents", [-(2**31), 1]),
        ("INT64", "int64_contents", [-(2**63), 2**63 - 1]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT16", "uint_contents", [0, 2**16 - 1]),
        ("UINT32", "uint_contents", [0, 2**32 - 1]),
        ("UINT64", "uint64_contents", [0, 2**64 - 1]),
        ("FP32", "fp32_contents", [0.5, -2.0]),
        ("FP64", "fp64_contents", [0.1, 1e300]),
    ],
)
def test_typed_contents(datatype: str, field: str, data: list[Any]) -> None:
    array = inputs_of(request(datatype, **{field: data}))["x"]
    assert array.tolist() == [data]
    assert array.dtype.kind + str(array.dtype.itemsize * 8) in {
        f"{datatype[0].lower()}{datatype.lstrip('BFIOLNTPU')}",
        "b8",
    }


def test_typed_strings() -> None:
    assert inputs_of(request("BYTES", bytes_contents=[b"a", "ü".encode()]))["x"].tolist() == [["a", "ü"]]


def test_nan_and_infinity_in_typed_contents() -> None:
    array = inputs_of(request(fp32_contents=[np.nan, np.inf]))["x"]
    np.testing.assert_array_equal(array, np.array([[np.nan, np.inf]], np.float32))


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (pb.ModelInferRequest(), "the request has no inputs"),
        (request("FP16"), "tensor 'x': FP16 has no typed contents; send it in raw_input_contents"),
        (request("BF16"), "tensor 'x': datatype BF16 is not supported"),
        (request("WHAT"), "tensor 'x': there is no datatype 'WHAT'"),
        (request(fp32_contents=[1.0]), r"tensor 'x': the data has the shape \[1\], not \[1, 2\]"),
        (request(fp64_contents=[1.0, 2.0]), r"tensor 'x': the data has the shape \[0\], not \[1, 2\]"),
        (request("INT8", int_contents=[1, 300]), "tensor 'x': a value is out of the range of INT8"),
        (request(shape=(-1, 2)), "tensor 'x': -1 in the shape is not a size"),
        (request("BYTES", bytes_contents=[b"\xff", b""]), "tensor 'x': the elements must be UTF-8"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(message: Any, problem: str) -> None:
    with pytest.raises(BadRequestError, match=problem):
        inputs_of(message)


def test_raw_contents_must_be_all_or_none() -> None:
    message = request()
    message.inputs[0].ClearField("contents")
    message.raw_input_contents.extend([b"", b""])
    with pytest.raises(BadRequestError, match="there are 2 raw contents for 1 inputs"):
        inputs_of(message)
    mixed = request(fp32_contents=[1.0, 2.0])
    mixed.raw_input_contents.append(bytes(8))
    with pytest.raises(BadRequestError, match="tensor 'x': raw and typed contents are mixed"):
        inputs_of(mixed)


def test_a_tensor_given_twice() -> None:
    message = request(fp32_contents=[1.0, 2.0])
    message.inputs.append(message.inputs[0])
    with pytest.raises(BadRequestError, match="tensor 'x': the tensor is given twice"):
        inputs_of(message)


def test_shared_memory_and_sequences_are_refused() -> None:
    shared = request()
    shared.inputs[0].parameters["shared_memory_region"].string_param = "r"
    with pytest.raises(BadRequestError, match="tensor 'x': shared memory is not supported; send the data"):
        inputs_of(shared)
    sequence = request(fp32_contents=[1.0, 2.0])
    sequence.parameters["sequence_id"].int64_param = 5
    with pytest.raises(BadRequestError, match="sequences of requests are not supported"):
        inputs_of(sequence)


def test_parameters_of_no_meaning_here_are_let_be() -> None:
    message = request(fp32_contents=[1.0, 2.0])
    message.parameters["priority"].uint64_param = 2
    message.parameters["sequence_id"].int64_param = 0
    assert inputs_of(message)["x"].tolist() == [[1.0, 2.0]]


def test_requested_outputs() -> None:
    message = pb.ModelInferRequest()
    assert wanted_of(message) is None
    message.outputs.add(name="b")
    message.outputs.add(name="a")
    assert wanted_of(message) == ["b", "a"]
