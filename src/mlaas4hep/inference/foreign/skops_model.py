"""scikit-learn models from skops files. Only scikit-learn's own types, numpy's and XGBoost's are built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.scoring.sklearn import trusted
from mlaas4hep.inference.failures import ModelRefusedError
from mlaas4hep.inference.foreign.base import FEATURES, Native, Source
from mlaas4hep.inference.foreign.trees import cuts_of, save_scores, tree_native

__all__ = ["FRAMEWORK", "WORKER", "load", "to_onnx"]

FRAMEWORK: Final = "scikit-learn (skops)"
WORKER: Final = True
OPSET: Final = 18


def load(source: Source) -> Native:
    """Load; scores are probabilities of all classes, else decision values, for regressors the value.

    Raises:
        ModelRefusedError: the file asks for other types, or holds no estimator of rows of numbers.
    """
    import skops.io

    types = skops.io.get_untrusted_types(file=source.path)
    refused = sorted(name for name in types if not trusted(name))
    if refused:
        what = f"the skops file holds types that are not trusted ({', '.join(refused[:3])})"
        raise ModelRefusedError(what, hint="only scikit-learn's own, numpy's and XGBoost's are loaded")
    model: Any = skops.io.load(source.path, trusted=types)
    width = getattr(model, "n_features_in_", None)
    method = next((n for n in ("predict_proba", "decision_function", "predict") if hasattr(model, n)), None)
    if width is None or method is None:
        what = f"the skops file holds a {type(model).__name__}, which is not a fitted classifier or regressor"
        raise ModelRefusedError(what)

    def predict(rows: NDArray[np.float32]) -> NDArray[Any]:
        values: NDArray[Any] = np.asarray(getattr(model, method)(rows))
        return values

    outputs = int(predict(np.zeros((1, width), np.float32)).size)
    columns = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
    native = tree_native("sklearn", columns, int(width), outputs, predict, (model, method), {})
    classes = tuple(str(name) for name in getattr(model, "classes_", ()))
    missing = _takes_missing(predict, int(width))
    return replace(native, classes=classes, cuts=_cuts(model) or None, exact=False, missing=missing)


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Convert by skl2onnx."""
    from skl2onnx import to_onnx as convert
    from skl2onnx.common.data_types import FloatTensorType

    model, method = native.model
    wanted = {"predict": {}, "predict_proba": {"zipmap": False}, "decision_function": {"raw_scores": True}}[method]
    given = [(FEATURES, FloatTensorType([None, native.inputs[0].shape[1]]))]
    made = convert(model, initial_types=given, options={id(model): wanted}, target_opset={"": OPSET, "ai.onnx.ml": 3})
    graph, outputs = made.graph, native.outputs[0].shape[1]
    if native.missing:
        _follow_missing(graph, model)
    two = method == "decision_function" and outputs == 1
    save_scores(made, outputs, target, given=2 if two else None)


def _cuts(model: Any) -> dict[int, NDArray[Any]]:
    """Cuts of a tree or of the trees in an ensemble."""
    trees = _trees(model)
    if not trees:
        return {}
    columns, values = (np.concatenate([getattr(tree, name) for tree in trees]) for name in ("feature", "threshold"))
    return cuts_of(columns[columns >= 0], values[columns >= 0])


def _trees(model: Any) -> list[Any]:
    members = [model, *np.ravel(np.asarray(getattr(model, "estimators_", []), dtype=object))]
    return [member.tree_ for member in members if hasattr(member, "tree_")]


def _follow_missing(graph: Any, model: Any) -> None:
    """Let NaN go where scikit-learn's trees send it: skl2onnx 1.20 always sends it to the right."""
    trees = _trees(model)
    for node in graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type.startswith("TreeEnsemble") and "nodes_missing_value_tracks_true" in attributes:
            numbers = zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True)
            left = [int(trees[tree].missing_go_to_left[place]) for tree, place in numbers]
            attributes["nodes_missing_value_tracks_true"].ints[:] = left


def _takes_missing(predict: Callable[[NDArray[np.float32]], NDArray[Any]], width: int) -> bool:
    try:
        predict(np.full((1, width), np.nan, np.float32))
    except ValueError:
        return False
    return True
