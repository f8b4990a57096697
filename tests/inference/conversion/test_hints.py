from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import node_names
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.conversion.hints import find_config, find_labels, find_params, specs_in_params


def test_given_parameters_go_first(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "params.json").write_text(json.dumps({"name": "file", "op": "x"}))
    assert find_params(tmp_path, {"name": "given"}) == {"name": "given", "op": "x"}
    (tmp_path / "params.json").write_text("[1]")
    assert find_params(tmp_path, {}) == {}
    (tmp_path / "params.json").write_text("{")
    with pytest.raises(ModelRefusedError, match=r"params\.json cannot be read"):
        find_params(tmp_path, {})
    assert find_params(None, {"a": 1}) == {"a": 1}


def test_labels(tmp_path: Path) -> None:
    assert find_labels(tmp_path, {}) == ()
    assert find_labels(tmp_path, {"labels": ["a", 1]}) == ("a", "1")
    (tmp_path / "labels.txt").write_text("one\n\n two \n")
    (tmp_path / "names.csv").write_text("x\ny\n")
    assert find_labels(tmp_path, {}) == ("one", "two")
    assert find_labels(tmp_path, {"labels": "models/names.csv"}) == ("x", "y")
    assert find_labels(tmp_path, {"labels": "absent.txt"}) == ("one", "two")


def test_config(tmp_path: Path) -> None:
    assert find_config(tmp_path) is None
    (tmp_path / "config.pbtxt").write_text('name: "m"')
    found = find_config(tmp_path)
    assert found is not None
    assert found.name == "m"


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"input_node": "a"}, ("a",)),
        ({"inputNode": "a, b"}, ("a", "b")),
        ({"input_node": "", "input_name": "c"}, ("c",)),
        ({"inputs": ["x", "y"]}, ("x", "y")),
        ({"inputs": [{"name": "x"}]}, ()),
        ({"output_node": "a"}, ()),
        ({}, ()),
    ],
)
def test_node_names(params: dict[str, Any], names: tuple[str, ...]) -> None:
    assert node_names(params, "input") == names


def test_shapes() -> None:
    params = {"inputs": [{"name": "x", "shape": [None, -1, 3], "dtype": "int64"}, {"name": "y", "shape": []}]}
    assert specs_in_params(params, "input") == (TensorSpec("x", "int64", (-1, -1, 3)), TensorSpec("y", "float32", ()))
    assert specs_in_params(params, "output") == ()
    with pytest.raises(ModelRefusedError, match="an entry of outputs needs name and shape"):
        specs_in_params({"outputs": [{"name": "x"}]}, "output")
