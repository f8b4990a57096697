"""scikit-learn models from skops files. Only scikit-learn's own types, numpy's and XGBoost's are built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.onnx.scores import score_graph, width_of
from mlaas4hep.frameworks.scorer import Loading, Predict
from mlaas4hep.frameworks.sklearn import MODEL_FILE
from mlaas4hep.frameworks.sklearn.onnx import sklearn_graph
from mlaas4hep.frameworks.sklearn.vetting import open_skops
from mlaas4hep.frameworks.tensors import FEATURES, SCORES
from mlaas4hep.frameworks.trees import cuts_of, tree_native

__all__ = ["load", "load_native", "to_onnx"]


def load(source: Source) -> Native:
    """Load; scores are probabilities of all classes, else decision values, for regressors the value.

    Raises:
        ModelRefusedError: the file asks for other types, or holds no estimator of rows of numbers.
    """
    model = open_skops(source.path)
    method = next((n for n in ("predict_proba", "decision_function", "predict") if hasattr(model, n)), None)
    if method is None or not _is_fitted(model):
        what = f"the skops file holds a {type(model).__name__}, which is not a fitted classifier or regressor"
        raise ModelRefusedError(what)
    _by_position(model)
    width = int(getattr(model, "n_features_in_", 1))  # IsotonicRegression takes one and does not say so
    single = _takes(getattr(model, method), np.zeros((1, width), np.float32))  # KMeans takes what it was fitted with
    kind = np.float32 if single else np.float64

    def predict(rows: NDArray[np.float32]) -> NDArray[Any]:
        values: Any = getattr(model, method)(rows.astype(kind, copy=False))
        return _matrix(values)

    scores = predict(np.zeros((1, width), np.float32))
    if scores.dtype.kind not in "fiub":
        what = f"the {type(model).__name__} gives only names of classes, no scores"
        raise ModelRefusedError(what, hint="voting='soft' for a VotingClassifier; else export it to ONNX")
    outputs = int(scores.size)
    columns = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
    native = tree_native("sklearn", columns, width, outputs, predict, (model, method), {})
    missing = _takes(predict, np.full((1, width), np.nan, np.float32))
    cuts = {column: edges for column, edges in _cuts(model).items() if column < width}  # chains add columns
    return replace(native, classes=_classes(model), cuts=cuts or None, exact=False, missing=missing)


def load_native(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a bundle's classifier or regressor.

    Returns:
        The function and what it gives: ``probability``, ``decision`` or, for the task regression, ``value``.

    Raises:
        ModelRefusedError: the file names types that are not trusted.
    """
    model = open_skops(folder / MODEL_FILE)
    method, output = "decision_function", "decision"
    if loading.task == "regression":
        method, output = "predict", "value"
    elif hasattr(model, "predict_proba"):
        method, output = "predict_proba", "probability"
    predict: Predict = getattr(model, method)
    return predict, output


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Convert by skl2onnx."""
    import onnx

    model, method = native.model
    width, kept = native.inputs[0].shape[1], native.outputs[0].shape[1]
    made, double = sklearn_graph(model, width, method)
    if native.missing:
        _follow_missing(made.graph, model)
    output = made.graph.output[0 if method == "predict" else -1]  # after those of KMeans come distances
    two = method == "decision_function" and kept == 1 and hasattr(model, "classes_")
    outputs = 2 if two else max(width_of(output), kept)  # of several targets skl2onnx may state one
    made = score_graph(
        made, width, output=output.name, outputs=outputs, kept=kept, names=(FEATURES, SCORES), double=double
    )
    onnx.save(made, target)


def _by_position(model: Any) -> None:
    """Let a ColumnTransformer that was fitted on a table take its columns by position: rows are matrices here."""
    if hasattr(model, "steps"):
        _by_position(model.steps[0][1])
    elif hasattr(model, "transformers_") and hasattr(model, "feature_names_in_"):
        places = {name: place for place, name in enumerate(model.feature_names_in_)}
        model.transformers_ = [(name, step, _places(columns, places)) for name, step, columns in model.transformers_]


def _places(columns: Any, places: dict[Any, int]) -> Any:
    """Positions for names; anything else (positions, a mask, a slice of positions) stays."""
    if isinstance(columns, str):
        return places[columns]
    names = list(columns) if not isinstance(columns, slice) else []
    return [places[name] for name in names] if names and all(isinstance(name, str) for name in names) else columns


def _is_fitted(model: Any) -> bool:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except (NotFittedError, TypeError):
        return False
    return True


def _matrix(values: Any) -> NDArray[Any]:
    """One row for each event: of several targets, which come as a list, the columns of one after those of another."""
    return np.concatenate([np.asarray(part) for part in values], axis=1) if isinstance(values, list) else values


def _classes(model: Any) -> tuple[str, ...]:
    """Names of the columns of the probabilities; of several targets with the number of the target before them."""
    known = getattr(model, "classes_", ())
    if isinstance(known, list):
        return tuple(f"{number}:{name}" for number, names in enumerate(known) for name in names)
    return tuple(str(name) for name in known)


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
            numbers = list(zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True))
            if any(tree >= len(trees) or place >= trees[tree].node_count for tree, place in numbers):
                continue  # trees of another kind, within another estimator
            left = [int(trees[tree].missing_go_to_left[place]) for tree, place in numbers]
            attributes["nodes_missing_value_tracks_true"].ints[:] = left


def _takes(function: Callable[[NDArray[Any]], object], rows: NDArray[Any]) -> bool:
    try:
        function(rows)
    except ValueError:
        return False
    return True
