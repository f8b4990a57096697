from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from google.protobuf import json_format, text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.repository.triton_config import config_text, parse_config


@pytest.mark.parametrize("file", ["onnx/simple/config.pbtxt", "torchscript/pn_test/config.pbtxt"])
def test_as_protobuf_reads_it(shared_data: Path, file: str) -> None:
    text = (shared_data / "models" / file).read_text()
    expected, found = text_format.Parse(text, ModelConfig()), parse_config(text)
    assert (found.name, found.platform, found.max_batch_size) == (
        expected.name,
        expected.platform,
        expected.max_batch_size,
    )
    batch = (-1,) if expected.max_batch_size else ()
    names = {"TYPE_FP32": "float32", "TYPE_INT32": "int32"}
    for given_specs, wanted in ((found.inputs, expected.input), (found.outputs, expected.output)):
        assert given_specs == tuple(
            TensorSpec(item.name, names[DataType.Name(item.data_type)], (*batch, *item.dims)) for item in wanted
        )


def test_all_of_the_syntax() -> None:
    text = """
    # a comment with { braces
    name: 'it\\'s' backend: "pytorch";
    input: <name: "a", data_type: TYPE_STRING dims: 3 dims: [ -1, 4 ]>
    instance_group [ { count: 1 kind: KIND_CPU } ]
    parameters { key: "x" value: { string_value: "y" } }
    """
    found = parse_config(text)
    assert (found.name, found.platform, found.max_batch_size) == ("it's", "pytorch", 0)
    assert found.inputs == (TensorSpec("a", "object", (3, -1, 4)),)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: 'a'\ninput {", 2),
        ("}", 1),
        ("name:", 1),
        ("\n\nname: }", 3),
        ('name: "', 1),
        ("[1]", 1),
        ("input { dims: [1", 1),
        ("name: @", 1),
        ('input { name: "a" data_type: TYPE_X }', 1),
        ('input { name: "a"\n data_type: TYPE_FP32\n dims: x }', 3),
        ("input: 3", 1),
        ("max_batch_size: many", 1),
    ],
)
def test_what_cannot_be_understood_is_named_by_its_line(text: str, line: int) -> None:
    with pytest.raises(ModelRefusedError, match=rf"config\.pbtxt cannot be understood at line {line}"):
        parse_config(text)


def test_what_is_nested_without_end() -> None:
    with pytest.raises(ModelRefusedError, match=r"config\.pbtxt cannot be understood"):
        parse_config("a {" * 100_000)


@pytest.mark.parametrize(
    "text", ["input { data_type: TYPE_FP32 }", 'input { name: "a" }', 'output { name: "a" data_type: TYPE_BF16 }']
)
def test_what_is_not_complete(text: str) -> None:
    with pytest.raises(ModelRefusedError, match=r"config\.pbtxt: the input or output"):
        parse_config(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [("max_batch_size: 0", True), ("max_batch_size: 8", True), ('name: "a" # max_batch_size: 0', False), ("", False)],
)
def test_a_batch_size_of_zero_is_another_thing_than_none(text: str, says: bool) -> None:
    assert parse_config(text).says_batch is says


def test_fields_of_a_later_triton_are_passed_over() -> None:
    assert parse_config('name: "a" new_thing { x: 1 y: ["b"] } newer: 3').name == "a"


@given(st.text(alphabet='input{}[]<>:,"; 12a#\n', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ModelRefusedError):
        parse_config(text)


CONFIG = {
    "name": 'odd "name"\\',
    "platform": "onnxruntime_onnx",
    "version_policy": {"all": {}},
    "max_batch_size": 65536,
    "input": [
        {"name": "features", "data_type": "TYPE_FP32", "dims": [3]},
        {"name": "n", "data_type": "TYPE_INT64", "dims": []},
    ],
    "output": [{"name": "scores", "data_type": "TYPE_FP32", "dims": [2, -1]}],
    "model_repository_agents": {
        "agents": [{"name": "checksum", "parameters": {"1/model.onnx": "MD5:0", "2/m": "MD5:1"}}]
    },
}


def test_the_text_says_the_same_as_the_message() -> None:
    read = text_format.Parse(config_text(CONFIG), ModelConfig())
    assert read == json_format.ParseDict(CONFIG, ModelConfig())
