from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mlaas4hep.bundle.onnx_graph import compose, to_bytes
from mlaas4hep.errors import ConversionError
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.frameworks.onnx.scoring import OnnxScorer

Identity = Callable[..., onnx.ModelProto]

floats = st.floats(width=32, allow_subnormal=True)
special = st.sampled_from(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, -999.0, 1e-45, -1e-45, 1.2e-38, 3.4028235e38, -3.4028235e38]
)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    branches = tuple(
        replace(
            FeatureBranch(f"b{number}", "jagged", length, *(draw(finite) for _ in range(4))),
            origin=draw(st.sampled_from([0.0, 1e9])),
        )
        for number, length in enumerate(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    )
    missing = tuple(draw(st.lists(finite | special, max_size=2)))
    return Layout(branches, missing=missing, nan=draw(st.booleans()), mask=draw(st.booleans()))


def bits(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The bits of the numbers; zeros without their sign, NaN without its payload."""
    plain = np.where(values == 0, np.float32(0), values)
    return np.where(np.isnan(plain), np.float32(np.nan), plain).view(np.uint32)


@settings(deadline=None, max_examples=150)
@given(layout=layouts(), data=st.data())
def test_the_graph_gives_the_bits_of_transform(layout: Layout, data: st.DataObject, identity: Identity) -> None:
    values = floats | special | st.sampled_from([*layout.missing, 1.0])
    raw = data.draw(hnp.arrays(np.float32, (5, layout.width), elements=values.map(np.float32)))
    scorer = OnnxScorer(to_bytes(compose(identity(layout.model_width), layout)), threads=1)
    np.testing.assert_array_equal(bits(scorer.scores(raw)), bits(layout.transform(raw)))


@pytest.mark.parametrize("nan", [False, True])
@pytest.mark.parametrize("mask", [False, True])
def test_the_arithmetic_by_hand(identity: Identity, nan: bool, mask: bool) -> None:
    layout = Layout((FeatureBranch("a", "flat", 1, 10.0, 0.5, 0.0, -1.0),), missing=(-999.0,), nan=nan, mask=mask)
    raw = np.array([[14.0], [9.0], [np.nan], [np.inf], [-np.inf], [-999.0]], dtype=np.float32)
    scores = OnnxScorer(to_bytes(compose(identity(layout.model_width), layout))).scores(raw)
    fill = np.nan if nan else -1.0
    np.testing.assert_array_equal(scores[:, 0], [2.0, -0.5 if nan else 0.0, fill, fill, fill, fill])
    if mask:
        np.testing.assert_array_equal(scores[:, 1], [1, 1, 0, 0, 0, 0])


def test_the_interface_is_features_to_scores(identity: Identity, layout: Layout) -> None:
    model = compose(identity(3), layout)
    shapes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*model.graph.input,)]
    assert [value.name for value in model.graph.input] == ["features"]
    assert [value.name for value in model.graph.output] == ["scores"]
    assert shapes == [["N", 3]]


def test_names_that_collide_are_kept_apart(layout: Layout) -> None:
    """A core whose own values are called as ours are."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["features", "layout/offset"], ["scores"]),
            helper.make_node("Mul", ["scores", "layout/offset"], ["x"]),
        ],
        "core",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [numpy_helper.from_array(np.array([2.0, 3.0, 4.0], dtype=np.float32), "layout/offset")],
    )
    core = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    raw = np.array([[11.0, 5.0, np.nan]], dtype=np.float32)
    shift = np.array([2.0, 3.0, 4.0], dtype=np.float32)
    expected = (layout.transform(raw) + shift) * shift
    np.testing.assert_array_equal(OnnxScorer(to_bytes(compose(core, layout))).scores(raw), expected)


def test_values_used_inside_a_branch_of_the_graph_are_renamed_too(layout: Layout) -> None:
    """The two arms of an If refer to values outside."""

    def arm(name: str, kind: str) -> onnx.GraphProto:
        node = helper.make_node(kind, ["features", "scores"], [name])
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])

    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["scores"], value_float=2.0),
            helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
            helper.make_node("If", ["yes"], ["out"], then_branch=arm("t", "Mul"), else_branch=arm("e", "Add")),
        ],
        "core",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 3])],
    )
    core = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    raw = np.array([[11.0, 5.0, 6.0]], dtype=np.float32)
    scores = OnnxScorer(to_bytes(compose(core, layout))).scores(raw)
    np.testing.assert_array_equal(scores, layout.transform(raw) * 2)


def test_functions_of_the_model_are_kept(layout: Layout) -> None:
    function = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    graph = helper.make_graph(
        [helper.make_node("Twice", ["x"], ["scores"], domain="own")],
        "core",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 3])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    core = helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=8)
    raw = np.array([[11.0, 5.0, 6.0]], dtype=np.float32)
    scores = OnnxScorer(to_bytes(compose(core, layout))).scores(raw)
    np.testing.assert_array_equal(scores, layout.transform(raw) * 2)


@pytest.mark.parametrize("opset", [9, 13, 21])
def test_any_opset_is_brought_in_line(identity: Identity, layout: Layout, opset: int) -> None:
    core = identity(3, opset)
    core.ir_version = 10
    raw = np.array([[11.0, 5.0, np.nan]], dtype=np.float32)
    model = compose(core, layout)
    assert next(entry.version for entry in model.opset_import if entry.domain == "") == max(opset, 13)
    np.testing.assert_array_equal(OnnxScorer(to_bytes(model)).scores(raw), layout.transform(raw))


def test_a_model_of_machine_learning_operators_alone(layout: Layout) -> None:
    graph = helper.make_graph(
        [helper.make_node("Scaler", ["x"], ["scores"], domain="ai.onnx.ml", offset=[1.0], scale=[2.0])],
        "core",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
    )
    core = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)
    raw = np.array([[11.0, 5.0, np.nan]], dtype=np.float32)
    scores = OnnxScorer(to_bytes(compose(core, layout))).scores(raw)
    np.testing.assert_array_equal(scores, (layout.transform(raw) - 1) * 2)


def test_comments_paths_and_producers_do_not_change_the_bytes(identity: Identity, layout: Layout) -> None:
    one, other = identity(3), identity(3)
    other.producer_name = "somebody"
    other.doc_string = "made in /home/somebody"
    other.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/home/somebody/model.py")
    other.graph.node[0].doc_string = "/home/somebody"
    other.graph.node[0].metadata_props.add(key="namespace", value="/home/somebody")
    other.graph.input[0].doc_string = "/home/somebody"
    assert to_bytes(compose(one, layout)) == to_bytes(compose(other, layout))
    assert b"somebody" not in to_bytes(compose(other, layout))
    assert other.producer_name == "somebody", "the argument is left alone"


def test_names_do_not_change_the_bytes(identity: Identity, layout: Layout) -> None:
    one, other = identity(3), identity(3)
    one.graph.node[0].output[0] = "between"
    one.graph.node.append(helper.make_node("Abs", ["between"], ["scores"], name="abs_1"))
    other.graph.node[0].output[0] = "between_7"
    other.graph.node.append(helper.make_node("Abs", ["between_7"], ["scores"], name="abs_7"))
    assert to_bytes(compose(one, layout)) == to_bytes(compose(other, layout))


def test_another_width_is_refused(identity: Identity, layout: Layout) -> None:
    with pytest.raises(ConversionError, match=r"takes FLOAT \[0, 4\]; FLOAT \[N, 3\] is needed"):
        compose(identity(4), layout)


def test_two_outputs_are_refused(identity: Identity, layout: Layout) -> None:
    core = identity(3)
    core.graph.node.append(helper.make_node("Abs", ["x"], ["more"]))
    core.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [None, 3]))
    with pytest.raises(ConversionError, match="1 inputs and 2 outputs; one of each is needed"):
        compose(core, layout)


def test_a_model_that_is_not_valid_is_refused(identity: Identity, layout: Layout) -> None:
    core = identity(3)
    core.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ConversionError, match="the composed ONNX model is not valid"):
        compose(core, layout)
