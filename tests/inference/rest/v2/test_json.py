from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
import orjson
import pytest

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.rest.v2.json import Wanted, answer, read, read_raw
from mlaas4hep.web.bodies import decode_json

GOOD: dict[str, Any] = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}


def decoded(document: Any, tail: bytes = b"") -> Any:
    head = orjson.dumps(document)
    return read(head + tail, len(head) if tail else None)


def test_a_plain_request() -> None:
    request = decoded({"inputs": [GOOD]})
    assert request.inputs["x"].tolist() == [[1.0, 2.0]]
    assert (request.wanted, request.id, request.binary) == (None, None, False)


def test_binary_tensors_follow_in_the_order_of_the_inputs() -> None:
    first = np.arange(4, dtype=np.int64).reshape(2, 2)
    request = decoded(
        {
            "id": "7",
            "inputs": [
                {"name": "a", "shape": [2, 2], "datatype": "INT64", "parameters": {"binary_data_size": 32}},
                GOOD,
                {"name": "b", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}},
            ],
            "parameters": {"binary_data_output": True},
        },
        first.tobytes() + struct.pack("<I", 2) + b"ab",
    )
    np.testing.assert_array_equal(request.inputs["a"], first)
    assert request.inputs["b"].tolist() == ["ab"]
    assert (request.id, request.binary) == ("7", True)


def test_nan_as_python_writes_it() -> None:
    body = json.dumps({"inputs": [{**GOOD, "data": [math.nan, -math.inf]}]}).encode()
    np.testing.assert_array_equal(read(body, None).inputs["x"], np.array([[np.nan, -np.inf]], np.float32))


def test_outputs_are_binary_one_by_one_or_all() -> None:
    outputs = [{"name": "a"}, {"name": "b", "parameters": {"binary_data": False, "classification": 2}}]
    request = decoded({"inputs": [GOOD], "outputs": outputs, "parameters": {"binary_data_output": True}})
    assert request.wanted == (Wanted("a", binary=True), Wanted("b", binary=False, classification=2))


BINARY = {**GOOD, "data": None}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "must be a JSON object"),
        (3, "must be a JSON object"),
        ({}, "the request has no inputs"),
        ({"inputs": []}, "the request has no inputs"),
        ({"inputs": {"x": 1}}, "the request has no inputs"),
        ({"inputs": [1]}, "an input has no name"),
        ({"inputs": [{**GOOD, "name": 3}]}, "an input has no name"),
        ({"inputs": [GOOD, GOOD]}, "tensor 'x': the tensor is given twice"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}, "tensor 'x': the tensor has no data"),
        ({"inputs": [{**GOOD, "shape": None}]}, "tensor 'x': the shape must be a list of integers"),
        ({"inputs": [{**GOOD, "datatype": "BF16"}]}, "tensor 'x': datatype BF16 is not supported"),
        ({"inputs": [{**GOOD, "datatype": {}}]}, "tensor 'x': there is no datatype {}"),
        ({"inputs": [{**GOOD, "parameters": 1}]}, "tensor 'x': the parameters must be an object"),
        (
            {"inputs": [{**GOOD, "parameters": {"binary_data_size": "8"}}]},
            "tensor 'x': binary_data_size must be a number",
        ),
        (
            {"inputs": [{**GOOD, "parameters": {"binary_data_size": 8}}]},
            "tensor 'x': 8 bytes are announced, but 0 are left",
        ),
        (
            {"inputs": [{**GOOD, "parameters": {"shared_memory_region": "r"}}]},
            "tensor 'x': shared memory is not supported",
        ),
        ({"inputs": [GOOD], "id": 3}, "the id must be a string"),
        ({"inputs": [GOOD], "parameters": []}, "the request: the parameters must be an object"),
        ({"inputs": [GOOD], "parameters": {"sequence_id": 4}}, "sequences of requests are not supported"),
        ({"inputs": [GOOD], "outputs": "scores"}, "the outputs must be a list"),
        ({"inputs": [GOOD], "outputs": [{}]}, "an output has no name"),
        (
            {"inputs": [GOOD], "outputs": [{"name": "y", "parameters": 1}]},
            "output 'y': the parameters must be an object",
        ),
        (
            {"inputs": [GOOD], "outputs": [{"name": "y", "parameters": {"shared_memory_region": "r"}}]},
            "output 'y': shared memory is not supported",
        ),
    ],
)
def test_what_is_no_request(document: Any, problem: str) -> None:
    with pytest.raises(BadRequestError, match=problem):
        decoded(document)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a": NaN', b"[" * 3000 + b"NaN", b'{"inputs": "\xffNaN"}', rb'{"id": "\uD800", "x": NaN}'],
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(BadRequestError, match="the body is not valid JSON"):
        read(body, None)


def test_whole_characters_beside_nan() -> None:
    assert decode_json(rb'{"id": "\ud83d\ude00", "x": Infinity}') == {"id": "\U0001f600", "x": math.inf}


def test_lengths_that_do_not_fit() -> None:
    with pytest.raises(BadRequestError, match="inference-header-content-length is 99, but the body has 2 bytes"):
        read(b"{}", 99)
    with pytest.raises(BadRequestError, match="3 bytes are left behind the last tensor"):
        decoded({"inputs": [GOOD]}, b"abc")


def test_a_body_of_bytes_alone() -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    request = read_raw(rows.tobytes(), [TensorSpec("x", "float32", (-1, 3))], "m")
    np.testing.assert_array_equal(request.inputs["x"], rows)
    assert request.binary
    with pytest.raises(BadRequestError, match=r"tensor 'x': FP32 of shape \[1, 3\] takes 12 bytes, but there are 13"):
        read_raw(bytes(13), [TensorSpec("x", "float32", (-1, 3))], "m")


@pytest.mark.parametrize(
    "specs",
    [
        [TensorSpec("a", "float32", (-1, 3)), TensorSpec("b", "float32", (-1, 3))],
        [TensorSpec("a", "float32", (-1, -1))],
        [TensorSpec("a", "object", (-1, 1))],
    ],
)
def test_a_body_of_bytes_alone_needs_one_input(specs: list[TensorSpec]) -> None:
    with pytest.raises(BadRequestError, match="model 'm': only a model with one input of numbers"):
        read_raw(bytes(12), specs, "m")


def test_an_answer_in_json_and_with_bytes_behind_it() -> None:
    scores = np.array([[0.5, np.nan]], np.float32)
    names = np.array([["a", "b"]], object)
    body, length = answer("m", "3", None, [("scores", scores, False), ("names", names, False)])
    assert length is None
    assert json.loads(body) == {
        "model_name": "m",
        "model_version": "3",
        "outputs": [
            {"name": "scores", "datatype": "FP32", "shape": [1, 2], "data": [0.5, None]},
            {"name": "names", "datatype": "BYTES", "shape": [1, 2], "data": ["a", "b"]},
        ],
    }
    body, length = answer("m", "3", "7", [("names", names, False), ("scores", scores, True)])
    assert length is not None
    head = json.loads(body[:length])
    assert head["id"] == "7"
    assert head["outputs"][1] == {
        "name": "scores",
        "datatype": "FP32",
        "shape": [1, 2],
        "parameters": {"binary_data_size": 8},
    }
    assert body[length:] == scores.tobytes()
