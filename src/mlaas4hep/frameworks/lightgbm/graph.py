"""LightGBM's trees as an ONNX graph: every comparison, missing value and category as LightGBM decides it.

The converter of onnxmltools sends missing values another way and rounds thresholds to the nearest float32, so rows at
a threshold change sides.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlaas4hep.frameworks.onnx.names import IR_VERSION
from mlaas4hep.frameworks.rounding import round_down

if TYPE_CHECKING:
    import onnx

__all__ = ["lightgbm_graph"]

OPSET: Final = 17
ZERO: Final = float(np.float32(1e-35))
"""LightGBM takes values of this size and below for zero."""
INFINITE: Final = 1e300
"""What LightGBM writes for an infinite threshold, where it has to be a number: all but missing values are below."""
ACTIVATIONS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    **dict.fromkeys(("poisson", "gamma", "tweedie"), ("Exp", {})),
    "multiclass": ("Softmax", {"axis": 1}),
    "cross_entropy_lambda": ("Softplus", {}),
}
IDENTITY: Final = (
    "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom", "",
)  # fmt: skip


def lightgbm_graph(model: dict[str, Any], features: str = "features", scores: str = "scores") -> onnx.ModelProto:
    """Write what ``Booster.dump_model()`` gives as ONNX.

    Args:
        model: the dumped model.
        features: name of the input, float32 [N, number of features].
        scores: name of the output, float32 [N, outputs]: what ``Booster.predict`` gives.

    Raises:
        NotImplementedError: trees with linear models in their leaves, or an objective that is not known.
    """
    from onnx import TensorProto, helper

    width, outputs = int(model["max_feature_idx"]) + 1, int(model["num_tree_per_iteration"])
    trees = _Trees(model)
    nodes, given = _prepared(trees, features, width)
    attributes: dict[str, Any] = {
        "n_targets": outputs,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        **trees.attributes,
    }
    nodes.append(helper.make_node("TreeEnsembleRegressor", [given], ["sum"], domain="ai.onnx.ml", **attributes))
    nodes.extend(_transform(str(model.get("objective") or ""), scores))
    graph = helper.make_graph(
        nodes,
        "lightgbm",
        [helper.make_tensor_value_info(features, TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["N", outputs])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    made: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    return made


class _Trees:
    """The attributes of ONNX's tree ensemble, and the columns with categories, and those where zero is missing.

    The left child of a set of categories has several parents: ONNX Runtime takes that.
    """

    def __init__(self, model: dict[str, Any]) -> None:
        self.attributes: dict[str, list[Any]] = defaultdict(list)
        self.categories: set[int] = set()
        self.zeros: set[int] = set()
        self._rows: dict[int, dict[str, Any]] = {}
        infos = model["tree_info"]
        outputs = int(model["num_tree_per_iteration"])
        self._scale = outputs / len(infos) if model.get("average_output") and infos else 1.0
        for number, info in enumerate(infos):
            self._tree, self._target, self._next = number, number % outputs, 0
            self._add(info["tree_structure"])
            self._emit()

    def _add(self, node: dict[str, Any]) -> int:
        """Add a node with all below it; its number."""
        if "leaf_coeff" in node or "leaf_const" in node:
            msg = "linear models in the leaves of the trees (linear_tree)"
            raise NotImplementedError(msg)
        here = self._take()
        if "split_feature" not in node:
            self._node(here, 0, "LEAF", 0.0, 0, 0)
            for name, value in (("treeids", self._tree), ("nodeids", here), ("ids", self._target)):
                self.attributes[f"target_{name}"].append(value)
            self.attributes["target_weights"].append(float(node["leaf_value"]) * self._scale)
        elif node["decision_type"] == "==":
            self._category(here, node)
        else:
            self._number(here, node)
        return here

    def _category(self, here: int, node: dict[str, Any]) -> None:
        """One comparison for each category; all send to the same left child. Missing values go right."""
        column = int(node["split_feature"])
        self.categories.add(column)
        values = [float(text) for text in str(node["threshold"]).split("||")]
        places = [here, *(self._take() for _ in values[1:])]
        left, right = self._add(node["left_child"]), self._add(node["right_child"])
        for place, after, value in zip(places, [*places[1:], right], values, strict=True):
            self._node(place, column, "BRANCH_EQ", value, left, after)

    def _number(self, here: int, node: dict[str, Any]) -> None:
        column, cut, missing = int(node["split_feature"]), _below(float(node["threshold"])), node["missing_type"]
        if missing == "Zero":
            self.zeros.add(column)
        tracks = cut >= 0 if missing == "None" else bool(node["default_left"])  # without missing values NaN is zero
        left, right = self._add(node["left_child"]), self._add(node["right_child"])
        self._node(here, column, "BRANCH_LEQ", cut, left, right, missing=tracks)

    def _take(self) -> int:
        self._next += 1
        return self._next - 1

    def _node(
        self, here: int, column: int, mode: str, value: float, true: int, false: int, *, missing: bool = False
    ) -> None:
        self._rows[here] = {
            "treeids": self._tree,
            "nodeids": here,
            "featureids": column,
            "modes": mode,
            "values": value,
            "truenodeids": true,
            "falsenodeids": false,
            "missing_value_tracks_true": int(missing),
        }

    def _emit(self) -> None:
        """Put a tree's nodes in order: ONNX Runtime takes the first for the root."""
        for _, row in sorted(self._rows.items()):
            for name, value in row.items():
                self.attributes[f"nodes_{name}"].append(value)
        self._rows.clear()


def _below(cut: float) -> float:
    """The float32 for which ``x <= cut`` is what LightGBM decides, for every float32 x."""
    if cut >= INFINITE:
        return float("inf")
    if -ZERO <= cut < ZERO:  # all values of this size are zero
        return ZERO if cut >= 0 else float(np.nextafter(np.float32(-ZERO), np.float32(-np.inf)))
    return float(round_down(np.array(cut)))


def _prepared(trees: _Trees, features: str, width: int) -> tuple[list[Any], str]:
    """Nodes that cut the decimals of categories off, and make zero missing where it is, and the name of the result."""
    from onnx import helper, numpy_helper

    def constant(name: str, value: Any) -> Any:
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name))

    def marks(columns: set[int]) -> Any:
        return np.isin(np.arange(width), sorted(columns))[None]

    nodes, given = [], features
    if trees.categories:
        nodes += [
            constant("categories", marks(trees.categories)),
            constant("nothing", np.zeros(1, np.float32)),
            constant("minus_one", np.full(1, -1, np.float32)),
            helper.make_node("Floor", [given], ["floor"]),
            helper.make_node("Greater", [given, "minus_one"], ["not_below"]),
            helper.make_node("Less", [given, "nothing"], ["negative"]),
            helper.make_node("And", ["not_below", "negative"], ["fraction"]),
            helper.make_node("Where", ["fraction", "nothing", "floor"], ["whole"]),
            helper.make_node("Where", ["categories", "whole", given], ["with_whole"]),
        ]
        given = "with_whole"
    if trees.zeros:
        nodes += [
            constant("zeros", marks(trees.zeros)),
            constant("above_zero", np.nextafter(np.full(1, ZERO, np.float32), np.float32(1))),
            constant("missing", np.full(1, np.nan, np.float32)),
            helper.make_node("Abs", [given], ["distance"]),
            helper.make_node("Less", ["distance", "above_zero"], ["zero"]),
            helper.make_node("And", ["zeros", "zero"], ["absent"]),
            helper.make_node("Where", ["absent", "missing", given], ["with_missing"]),
        ]
        given = "with_missing"
    return nodes, given


def _transform(objective: str, scores: str) -> list[Any]:
    """The nodes from the sum of the trees to what ``predict`` gives."""
    from onnx import TensorProto, helper

    kind, *settings = objective.split() or [""]
    if kind in {"binary", "multiclassova", "cross_entropy"}:
        slope = next((float(text[8:]) for text in settings if text.startswith("sigmoid:")), 1.0)
        constant = helper.make_tensor("slope_value", TensorProto.FLOAT, [1], [slope])
        return [
            helper.make_node("Constant", [], ["slope"], value=constant),
            helper.make_node("Mul", ["sum", "slope"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], [scores]),
        ]
    if kind in ACTIVATIONS:
        name, attributes = ACTIVATIONS[kind]
        return [helper.make_node(name, ["sum"], [scores], **attributes)]
    if "sqrt" in settings:
        return [helper.make_node("Abs", ["sum"], ["size"]), helper.make_node("Mul", ["sum", "size"], [scores])]
    if kind in IDENTITY:
        return [helper.make_node("Identity", ["sum"], [scores])]
    msg = f"the objective {kind}"
    raise NotImplementedError(msg)
