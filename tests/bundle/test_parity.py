from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from mlaas4hep.bundle.onnx_graph import compose
from mlaas4hep.bundle.parity import check
from mlaas4hep.features.layout import FeatureBranch, Layout

Identity = Callable[..., onnx.ModelProto]
RAW = np.array([[11.0, 5.0, np.nan], [10.0, -999.0, 7.0], [12.0, 1.0, 2.0], [13.0, 4.0, 3.0]], dtype=np.float32)


def same(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x


def test_the_same_model_agrees(identity: Identity, layout: Layout) -> None:
    parity = check(compose(identity(3), layout), same, layout, RAW)
    assert parity.agreed
    assert parity.reason is None
    assert (parity.rows, parity.max_abs_difference, parity.tolerance) == (4, 0.0, 1e-4)


def test_a_small_difference_is_reported_and_accepted(identity: Identity, layout: Layout) -> None:
    parity = check(compose(identity(3), layout), lambda x: x + np.float32(5e-5), layout, RAW)
    assert parity.agreed
    assert parity.max_abs_difference == pytest.approx(5e-5, rel=1e-2)


def test_a_large_difference_is_refused(identity: Identity, layout: Layout) -> None:
    parity = check(compose(identity(3), layout), lambda x: x + np.float32(0.25), layout, RAW)
    assert not parity.agreed
    assert parity.reason == "ONNX and native scores differ by up to 0.25, where the scores spread over 2.43"
    assert parity.max_abs_difference == 0.25


@pytest.mark.parametrize("center", [0.0, 1.0, -3e2, 5.11e5])
@pytest.mark.parametrize("spread", [1e-3, 0.3, 2.0, 50.0])
def test_a_difference_is_judged_by_the_spread_of_the_scores(identity: Identity, center: float, spread: float) -> None:
    width = max(spread, 4e3 * float(np.spacing(np.float32(abs(center)))))
    layout = Layout((FeatureBranch("a", "flat", 1, 0.0, 1.0, -1e9, 0.0),))
    raw = (center + width * np.linspace(-1, 1, 201)).astype(np.float32)[:, None]
    model = compose(identity(1), layout)
    assert check(model, lambda x: x, layout, raw).agreed
    for part, agreed in ((2e-5, True), (0.01, False), (0.7, False)):
        moved = (raw.astype(np.float64) + part * width).astype(np.float32)
        assert check(model, lambda x, to=moved: to[: len(x)], layout, raw).agreed is agreed  # type: ignore[misc]


def test_large_predictions_of_a_regression_are_compared_relatively(identity: Identity) -> None:
    layout = Layout((FeatureBranch("a", "flat", 1, 0.0, 1.0, -1e9, 0.0),))
    raw = np.array([[1e6], [2e6]], dtype=np.float32)
    model = compose(identity(1), layout)
    assert check(model, lambda x: x + np.float32(10.0), layout, raw).agreed
    assert not check(model, lambda x: x + np.float32(1000.0), layout, raw).agreed


def test_another_shape_is_refused(identity: Identity, layout: Layout) -> None:
    parity = check(compose(identity(3), layout), lambda x: x[:, :1], layout, RAW)
    assert parity.reason == "the ONNX scores have shape [4, 3], the native ones [4, 1]"
    assert not parity.agreed
    assert parity.max_abs_difference is None


def test_scores_that_are_no_numbers_are_refused(identity: Identity, layout: Layout) -> None:
    bad = RAW.copy()

    def native(x: NDArray[np.float32]) -> NDArray[np.float32]:
        x = x.copy()
        x[1, 0] = np.nan
        return x

    parity = check(compose(identity(3), layout), native, layout, bad)
    assert parity.reason == "the native scores of 1 of 4 rows are NaN or infinite"


def test_a_model_the_runtime_cannot_load_is_refused(identity: Identity, layout: Layout) -> None:
    model = compose(identity(3), layout)
    model.ir_version = 999
    parity = check(model, same, layout, RAW)
    assert not parity.agreed
    assert parity.reason is not None
    assert parity.reason.startswith("ONNX Runtime fails: model.onnx: ONNX Runtime cannot load the model")


def test_a_batch_size_that_was_fixed_at_export_is_refused(layout: Layout) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["shape"], value_ints=[4, 3]),
            helper.make_node("Reshape", ["x", "shape"], ["scores"]),
        ],
        "core",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 3])],
    )
    core = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    parity = check(compose(core, layout), same, layout, RAW)
    assert not parity.agreed
    assert parity.reason is not None
    assert parity.reason.startswith("ONNX Runtime fails")


def test_rows_that_depend_on_each_other_are_refused(layout: Layout) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["x", "mean"], ["scores"]),
        ],
        "core",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 3])],
    )
    core = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    parity = check(compose(core, layout), lambda x: x - x.mean(axis=0, dtype=np.float64), layout, RAW)
    assert parity.reason == "the ONNX scores of a row depend on the other rows of the batch"


def test_no_rows_are_no_agreement(identity: Identity, layout: Layout) -> None:
    parity = check(compose(identity(3), layout), same, layout, RAW[:0])
    assert not parity.agreed
    assert parity.reason == "there are no rows to compare"


def test_a_conversion_known_to_be_wrong_is_found() -> None:
    """skl2onnx converts LinearDiscriminantAnalysis without an error, into something else."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    generator = np.random.default_rng(1)
    raw = generator.normal(size=(200, 3)).astype(np.float32)
    labels = (raw[:, 0] + raw[:, 1] > 0.3).astype(int)
    layout = Layout((FeatureBranch("a", "jagged", 3, 0.0, 1.0, -100.0, 0.0),))
    model = LinearDiscriminantAnalysis().fit(layout.transform(raw), labels)
    options = {id(model): {"zipmap": False}}
    core = skl2onnx.to_onnx(
        model,
        initial_types=[("x", FloatTensorType([None, 3]))],
        options=options,
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    del core.graph.output[0]
    parity = check(compose(core, layout), model.predict_proba, layout, raw)
    assert not parity.agreed
    assert parity.reason is not None
    assert parity.reason.startswith("ONNX and native scores differ by up to 0.")
