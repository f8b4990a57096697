"""ONNX models as others write them: maps, texts, tensors without axes, fixed batches, weights in other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OrdinalEncoder

from mlaas4hep.errors.serving import ModelRefusedError
from tests.support.foreign_models import convert_here, opened

RANDOM = np.random.default_rng(8)
W = RANDOM.normal(size=(4, 2)).astype(np.float32)
FLOAT, TEXT = TensorProto.FLOAT, TensorProto.STRING
info, node = helper.make_tensor_value_info, helper.make_node


def model(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, Any] | None = None
) -> onnx.ModelProto:
    held = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, held)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def served(tmp_path: Path, made: onnx.ModelProto, **inputs: Any) -> tuple[dict[str, Any], list[Any]]:
    onnx.save(made, tmp_path / "m.onnx")
    about = convert_here(tmp_path / "m.onnx", tmp_path / "1")
    with opened(tmp_path / "1") as runtime:
        return about, list(runtime.run(inputs, timeout=60).values())


def dense(size: int, **more: Any) -> onnx.ModelProto:
    nodes = [node("MatMul", ["x", "W"], ["h"]), node("Relu", ["h"], ["y"])]
    return model(nodes, [info("x", FLOAT, [size, 4])], [info("y", FLOAT, [size, 2])], {"W": W, **more})


@pytest.mark.parametrize("labels", [np.array(["tau", "b", "c"]), np.array([5, 15, 0])])
def test_maps_of_classes_become_a_matrix(tmp_path: Path, labels: Any) -> None:
    from skl2onnx import to_onnx

    x = RANDOM.normal(size=(90, 4)).astype(np.float32)
    fitted = LogisticRegression().fit(x, labels[np.argsort(np.argsort(x[:, 0])) // 30])
    made = to_onnx(fitted, x[:1])
    assert made.graph.output[1].type.HasField("sequence_type")
    about, (label, scores) = served(tmp_path, made, X=x)
    assert about["classes"] == [str(name) for name in fitted.classes_]
    assert about["outputs"][1]["columns"] == about["classes"]
    assert about["batched"]
    assert label.tolist() == fitted.predict(x).tolist()
    assert np.abs(scores - fitted.predict_proba(x)).max() < 1e-5


def test_a_list_of_tensors_becomes_outputs(tmp_path: Path) -> None:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None))
    nodes = [node("Neg", ["x"], ["n"]), node("SequenceConstruct", ["x", "n"], ["y"])]
    x = RANDOM.normal(size=(3, 4)).astype(np.float32)
    made = model(nodes, [info("x", FLOAT, ["N", 4])], [helper.make_value_info("y", kind)])
    about, found = served(tmp_path, made, x=x)
    assert [spec["name"] for spec in about["outputs"]] == ["y_0", "y_1"]
    assert np.array_equal(found[0], x)
    assert np.array_equal(found[1], -x)


def test_texts_are_tried_with_numbers(tmp_path: Path) -> None:
    nodes = [node("Cast", ["x"], ["f"], to=FLOAT), node("MatMul", ["f", "W"], ["y"])]
    made = model(nodes, [info("x", TEXT, ["N", 4])], [info("y", FLOAT, ["N", 2])], {"W": W})
    about, (found,) = served(tmp_path, made, x=np.array([["1", "2.5", "-3", "0"]], object))
    assert (about["batched"], about["difference"]) == (True, 0.0)
    assert np.allclose(found, np.array([[1, 2.5, -3, 0]], np.float32) @ W)


def test_texts_that_have_to_be_known(tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType

    fitted = OrdinalEncoder().fit(np.array([["a"], ["b"]], object))
    made = to_onnx(fitted, initial_types=[("x", StringTensorType([None, 1]))])
    _, (found,) = served(tmp_path, made, x=np.array([["b"], ["a"]], object))
    assert found.ravel().tolist() == [1, 0]


def test_a_tensor_without_axes(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(3, 4)).astype(np.float32)
    made = model([node("ReduceSum", ["x"], ["y"], keepdims=0)], [info("x", FLOAT, ["N", 4])], [info("y", FLOAT, [])])
    about, (total,) = served(tmp_path, made, x=x)
    assert (total.shape, about["outputs"][0]["shape"], about["batched"]) == ((), [], False)
    assert np.allclose(total, x.sum())


def test_an_input_without_axes(tmp_path: Path) -> None:
    inputs = [info("x", FLOAT, ["N", 4]), info("k", FLOAT, [])]
    made = model([node("Mul", ["x", "k"], ["y"])], inputs, [info("y", FLOAT, ["N", 4])])
    about, (found,) = served(tmp_path, made, x=np.ones((2, 4), np.float32), k=np.array(3, np.float32))
    assert not about["batched"]
    assert found.tolist() == [[3.0] * 4] * 2


@pytest.mark.parametrize("size", [1, 16])
@pytest.mark.parametrize("shaped", [False, True])
def test_a_fixed_batch_is_freed_where_rows_are_independent(tmp_path: Path, size: int, shaped: bool) -> None:
    made = dense(size)
    if shaped:
        made = model(
            [node("Reshape", ["x", "flat"], ["r"]), node("MatMul", ["r", "W"], ["y"])],
            [info("x", FLOAT, [size, 2, 2])],
            [info("y", FLOAT, [size, 2])],
            {"W": W, "flat": np.array([size, 4], np.int64)},
        )
    x = RANDOM.normal(size=(5, 2, 2) if shaped else (5, 4)).astype(np.float32)
    about, (found,) = served(tmp_path, made, x=x)
    assert (about["batched"], about["inputs"][0]["shape"][0]) == (True, -1)
    expected = x.reshape(5, 4) @ W
    assert np.allclose(found, expected if shaped else np.maximum(expected, 0), atol=1e-6)


@pytest.mark.parametrize("operator", ["ReduceMean", "CumSum"])
def test_a_fixed_batch_whose_rows_meet_stays(tmp_path: Path, operator: str) -> None:
    if operator == "ReduceMean":
        nodes = [node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1), node("Sub", ["x", "m"], ["y"])]
    else:
        nodes = [node("CumSum", ["x", "axis"], ["y"])]
    ends = [info("x", FLOAT, [16, 4])], [info("y", FLOAT, [16, 4])]
    made = model(nodes, *ends, {"axis": np.array(0, np.int64)})
    x = RANDOM.normal(size=(16, 4)).astype(np.float32)
    about, (found,) = served(tmp_path, made, x=x)
    assert (about["batched"], about["inputs"][0]["shape"]) == (False, [16, 4])
    session = onnxruntime.InferenceSession(made.SerializeToString())
    assert np.allclose(found, session.run(None, {"x": x})[0])


def test_a_row_without_an_axis_of_rows_is_no_batch(tmp_path: Path) -> None:
    made = model([node("Relu", ["x"], ["y"])], [info("x", FLOAT, [4])], [info("y", FLOAT, [4])])
    about, _ = served(tmp_path, made, x=np.ones(4, np.float32))
    assert (about["batched"], about["inputs"][0]["shape"]) == (False, [4])


def test_axes_of_other_names_are_not_rows(tmp_path: Path) -> None:
    inputs = [info("a", FLOAT, ["N", "K"]), info("b", FLOAT, ["K", "M"])]
    made = model([node("MatMul", ["a", "b"], ["y"])], inputs, [info("y", FLOAT, ["N", "M"])])
    a, b = RANDOM.normal(size=(3, 5)).astype(np.float32), RANDOM.normal(size=(5, 2)).astype(np.float32)
    about, (found,) = served(tmp_path, made, a=a, b=b)
    assert (about["batched"], about["difference"]) == (False, 0.0)
    assert np.allclose(found, a @ b, atol=1e-6)


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.FLOAT16, "float16"), (TensorProto.INT8, "int8")])
def test_small_numbers(tmp_path: Path, kind: int, dtype: str) -> None:
    nodes = [node("Cast", ["x"], ["f"], to=FLOAT), node("MatMul", ["f", "W"], ["y"])]
    made = model(nodes, [info("x", kind, ["N", 4])], [info("y", FLOAT, ["N", 2])], {"W": W})
    x = np.array([[1, 2, 3, -4]], dtype)
    _, (found,) = served(tmp_path, made, x=x)
    assert np.allclose(found, x.astype(np.float32) @ W, atol=1e-5)


def test_bfloat16_comes_and_goes_as_float32(tmp_path: Path) -> None:
    ends = [info("x", TensorProto.BFLOAT16, ["N", 4])], [info("y", TensorProto.BFLOAT16, ["N", 4])]
    about, (found,) = served(tmp_path, model([node("Identity", ["x"], ["y"])], *ends), x=np.ones((2, 4), np.float32))
    assert about["inputs"][0]["dtype"] == about["outputs"][0]["dtype"] == "float32"
    assert found.tolist() == [[1.0] * 4] * 2


def test_weights_in_a_file_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    onnx.save(dense(3), folder / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    convert_here(folder, tmp_path / "1")
    x = RANDOM.normal(size=(7, 4)).astype(np.float32)
    with opened(tmp_path / "1") as runtime:
        assert np.allclose(runtime.run({"x": x}, timeout=60)["y"], np.maximum(x @ W, 0), atol=1e-6)
    with pytest.raises(ModelRefusedError, match=r"'model\.onnx\.data', which is not in the upload; send both"):
        convert_here(folder / "model.onnx", tmp_path / "2")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (
            model([node("Relu", ["x"], ["y"])], [info("x", FLOAT, None)], [info("y", FLOAT, None)]),
            "shape .* 'x' is not in",
        ),
        (model([node("Mine", ["x"], ["y"], domain="mine")], [info("x", FLOAT, [1])], [info("y", FLOAT, [1])]), "mine"),
    ],
)
def test_the_true_reason_is_said(tmp_path: Path, made: onnx.ModelProto, reason: str) -> None:
    with pytest.raises(ModelRefusedError, match=reason):
        served(tmp_path, made)


def test_the_version_that_is_not_known_is_named(tmp_path: Path) -> None:
    made = dense(1)
    made.ir_version = 99
    with pytest.raises(ModelRefusedError, match=r"cannot load the model \(Unsupported model IR version: 99"):
        served(tmp_path, made)


def test_a_shape_from_config_pbtxt(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    onnx.save(
        model([node("Relu", ["x"], ["y"])], [info("x", FLOAT, None)], [info("y", FLOAT, None)]), folder / "m.onnx"
    )
    (folder / "config.pbtxt").write_text(
        'max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } '
        'output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }'
    )
    about = convert_here(folder, tmp_path / "1")
    assert about["inputs"][0]["shape"] == [-1, 3]
    assert about["max_batch_size"] == 8
