"""XGBoost models, ``.json`` and ``.ubj``.

Scores of an upload are what ``Booster.predict`` gives on the file: of all trees. The best iteration that early stopping
notes in the file is used for our own bundles only, as XGBoost's interface in the manner of scikit-learn does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.onnx.scores import score_graph, width_of
from mlaas4hep.frameworks.scorer import Loading, Predict
from mlaas4hep.frameworks.tensors import FEATURES, SCORES
from mlaas4hep.frameworks.trees import cuts_of, tree_native
from mlaas4hep.frameworks.xgboost import MODEL_FILE

if TYPE_CHECKING:
    import onnx

__all__ = ["load", "load_native", "to_onnx", "xgboost_graph"]

OPSET: Final = 15


def load(source: Source) -> Native:
    """Load all trees."""
    booster = _booster(source.path, source.threads)
    booster.set_attr(best_iteration=None, best_score=None)  # else the conversion would leave out trees
    columns = tuple(booster.feature_names or ())
    booster.feature_names = None  # rows come by position; the types stay: trees with categories need them
    predict = _predict(booster, source.threads)
    width = int(booster.num_features())
    outputs = int(np.asarray(predict(np.zeros((1, width), np.float32))).size)
    splits = list(_splits(booster))
    cuts = cuts_of(*zip(*splits, strict=True)) if splits else {}
    return tree_native("fil", columns, width, outputs, predict, booster, cuts)


def load_native(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a bundle's booster. Its objective says what it gives: probabilities for logistic and softprob, else values.

    Returns:
        The function, and ``probability``.
    """
    booster = _booster(folder / MODEL_FILE, loading.threads)
    best = booster.attr("best_iteration")
    return _predict(booster, loading.threads, 0 if best is None else int(best) + 1), "probability"


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Convert by onnxmltools."""
    import onnx

    _check_convertible(native.model)
    width, kept = native.inputs[0].shape[1], native.outputs[0].shape[1]
    made = xgboost_graph(native.model, width)
    output = made.graph.output[-1]
    outputs = max(width_of(output), kept)
    made = score_graph(made, width, output=output.name, outputs=outputs, kept=kept, names=(FEATURES, SCORES))
    onnx.save(made, target)


def xgboost_graph(model: Any, width: int) -> onnx.ModelProto:
    """Return a booster or an estimator of XGBoost with `width` columns as onnxmltools converts it; scores come last."""
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    made: onnx.ModelProto = convert_xgboost(
        model, initial_types=[("x", FloatTensorType([None, width]))], target_opset=OPSET
    )
    return made


def _booster(path: Path, threads: int | None) -> Any:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(path.read_bytes()))
    booster.set_param({"device": "cpu"} if threads is None else {"device": "cpu", "nthread": threads})
    return booster


def _predict(booster: Any, threads: int | None, rounds: int = 0) -> Predict:
    """Return what predicts rows with the first `rounds` rounds; 0: all."""
    import xgboost

    def predict(rows: NDArray[np.float32]) -> NDArray[Any]:
        matrix = xgboost.DMatrix(rows, nthread=threads)
        values: NDArray[Any] = booster.predict(matrix, iteration_range=(0, rounds))
        return values

    return predict


def _kinds(booster: Any) -> tuple[str, str]:
    """Return the names of the objective and of the booster."""
    learner = json.loads(booster.save_config())["learner"]
    return learner["objective"]["name"], learner["gradient_booster"]["name"]


def _check_convertible(booster: Any) -> None:
    """Raise NotImplementedError for what the converter has no form for, or gets wrong."""
    objective, kind = _kinds(booster)
    if kind != "gbtree":
        msg = f"the booster {kind}"
        raise NotImplementedError(msg)
    if objective.startswith(("rank:", "survival:")) or objective == "multi:softmax":
        msg = f"the objective {objective}"
        raise NotImplementedError(msg)
    if "c" in (booster.feature_types or ()):
        msg = "trees that split by category"
        raise NotImplementedError(msg)


def _splits(booster: Any) -> Iterator[tuple[int, float]]:
    """Column and value of every split by a number."""
    nodes = (
        [json.loads(tree) for tree in booster.get_dump(dump_format="json")] if _kinds(booster)[1] != "gblinear" else []
    )
    while nodes:
        node = nodes.pop()
        nodes.extend(node.get("children", ()))
        if isinstance(node.get("split_condition"), int | float):
            yield int(node["split"].removeprefix("f")), float(node["split_condition"])
