from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.inference.execution import TensorSpec
from mlaas4hep.inference.repository.triton_config import parse_config


@pytest.mark.parametrize("file", ["onnx/simple/config.pbtxt", "torchscript/pn_test/config.pbtxt"])
def test_as_protobuf_reads_it(shared_data: Path, file: str) -> None:
    from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

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


@pytest.mark.parametrize("text", ["input {", "}", "name:", "name: }", 'name: "', "[1]", "a: [1", "a: @", "a {" * 40])
def test_what_cannot_be_understood(text: str) -> None:
    with pytest.raises(ModelRefusedError, match=r"config\.pbtxt cannot be understood at"):
        parse_config(text)


@pytest.mark.parametrize(
    "text",
    [
        "input { data_type: TYPE_FP32 }",
        'input { name: "a" data_type: TYPE_X }',
        'input { name: "a" data_type: TYPE_FP32 dims: x }',
        "input: 3",
        "max_batch_size: many",
    ],
)
def test_what_is_not_complete(text: str) -> None:
    with pytest.raises(ModelRefusedError, match="an input or output is not complete"):
        parse_config(text)


@given(st.text(alphabet='input{}[]<>:,"; 12a#\n', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ModelRefusedError):
        parse_config(text)
