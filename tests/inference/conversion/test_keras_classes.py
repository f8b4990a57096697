from __future__ import annotations

from typing import Any

import pytest

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.keras.vetting import strange_classes
from mlaas4hep.frameworks.tensorflow.common import check_operations


def layer(name: str, **more: Any) -> dict[str, Any]:
    return {"class_name": name, "config": {"bias": {"class_name": "Zeros", "config": {}}}, **more}


@pytest.mark.parametrize(
    ("node", "strange"),
    [
        (layer("Dense"), []),
        (layer("Dense", module="keras.layers", registered_name=None), []),
        (layer("Functional"), []),
        ({"args": [{"class_name": "__keras_tensor__", "config": {"shape": [None, 2]}}]}, []),
        ({"class_name": "__slice__", "config": {"start": layer("Lambda"), "stop": 1, "step": None}}, ["Lambda"]),
        ({"class_name": "__keras_tensor__", "module": "mine", "config": {}}, ["__keras_tensor__"]),
        (layer("Lambda", module="keras.layers"), ["Lambda"]),
        (layer("TFSMLayer"), ["TFSMLayer"]),
        (layer("Mine"), ["Mine"]),
        (layer("Dense", module="mine"), ["Dense"]),
        (layer("Dense", module="kerasevil"), ["Dense"]),
        (layer("Dense", module=3), ["Dense"]),
        (layer("Dense", registered_name="mine>Dense"), ["Dense"]),
        ({"layers": [[layer("Dense")], {"deep": layer("os.system")}]}, ["os.system"]),
        ({"class_name": "__lambda__", "config": {"value": "code"}}, ["__lambda__"]),
        ({"class_name": "function", "module": "builtins", "config": "f"}, ["f"]),
        ({"class_name": "function", "module": "builtins", "config": "relu"}, []),
        ({"class_name": "function", "module": "keras.ops", "config": "relu"}, []),
        ({"class_name": "function", "module": "keras.utils", "config": "get_file"}, ["get_file"]),
        ({"class_name": "function", "module": "os", "config": "system", "registered_name": "system"}, ["system"]),
        (layer("NotEqual", module="keras.src.ops.numpy", registered_name="NotEqual"), []),
    ],
)
def test_only_keras_own_classes(node: dict[str, Any], strange: list[str]) -> None:
    import keras

    assert list(strange_classes(node, keras)) == strange


@pytest.mark.parametrize(
    "name", ["PyFunc", "EagerPyFunc", "ReadFile", "WriteFile", "TextLineDataset", "WholeFileReaderV2"]
)
def test_graphs_that_reach_out(name: str) -> None:
    with pytest.raises(ModelRefusedError, match=f"the operation {name}, which accesses files"):
        check_operations(["MatMul", name])


def test_graphs_that_do_not() -> None:
    check_operations(["MatMul", "VarHandleOp", "ReadVariableOp", "RestoreV2", "SaveV2", "MergeV2Checkpoints"])
