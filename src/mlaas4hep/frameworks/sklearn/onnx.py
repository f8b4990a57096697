"""scikit-learn's estimators as ONNX by skl2onnx, with what they hold of LightGBM and XGBoost."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

from mlaas4hep.frameworks.lightgbm.graph import lightgbm_graph
from mlaas4hep.frameworks.onnx.names import ML_OPSET, OPSET
from mlaas4hep.frameworks.sklearn.thresholds import with_float32_thresholds

if TYPE_CHECKING:
    import onnx

__all__ = ["sklearn_graph"]

DOUBLE: Final = (
    "KNeighborsClassifier", "KNeighborsRegressor", "RadiusNeighborsClassifier", "MLPClassifier", "MLPRegressor",
)  # fmt: skip
"""Distances and long sums lose too many digits in float32: these are computed in float64 within the graph."""


def sklearn_graph(model: Any, width: int, method: str) -> tuple[onnx.ModelProto, bool]:
    """Convert a fitted estimator.

    Args:
        model: classifier, regressor, or a pipeline with one at its end.
        width: number of columns of its input.
        method: what the last output is to hold: ``predict_proba``, ``decision_function`` or ``predict``.

    Returns:
        The model, and true if it computes in float64 and wants input of that type.

    Raises:
        Exception: what skl2onnx raises for an estimator that has no ONNX form.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    _register()
    model = with_float32_thresholds(model)
    double = type(_last_step(model)).__name__ in DOUBLE
    kind = DoubleTensorType if double else FloatTensorType
    attempts: list[dict[int, dict[str, bool]]] = [{}]
    if method == "predict_proba":
        attempts = [{id(model): {"zipmap": False}}]
    elif method == "decision_function":  # not every converter knows both options
        last = id(_last_step(model))
        attempts = [{last: {"raw_scores": True, "zipmap": False}}, {last: {"raw_scores": True}}]
        attempts += [{last: {"zipmap": False}}, {}]
    opsets = {"": OPSET, "ai.onnx.ml": ML_OPSET}
    given = [("x", kind([None, width]))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what skl2onnx takes from scikit-learn and numpy
        for options in attempts:
            try:
                return to_onnx(model, initial_types=given, options=options, target_opset=opsets), double
            except (NameError, RuntimeError):  # an unknown option, or none is known
                if options is attempts[-1]:
                    raise
    raise AssertionError


def _last_step(model: Any) -> Any:
    """The model itself, or the last step of a pipeline."""
    return _last_step(model.steps[-1][1]) if hasattr(model, "steps") else model


def _register() -> None:
    """Let skl2onnx convert the estimators of LightGBM and XGBoost within others, where these are loaded."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    found: list[tuple[Any, Any]] = []
    if module := sys.modules.get("lightgbm"):
        found += [(getattr(module, f"LGBM{kind}"), _lightgbm) for kind in ("Classifier", "Regressor", "Ranker")]
    if module := sys.modules.get("xgboost"):
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

        found += [(getattr(module, f"XGB{kind}"), convert_xgboost) for kind in ("Classifier", "Regressor")]
    for estimator, convert in found:
        classifier = estimator.__name__.endswith("Classifier")
        options: dict[str, list[Any]] = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
        if hasattr(estimator, "decision_function"):  # what is built around it takes that, not the probabilities
            options["raw_scores"] = [True, False]
        update_registered_converter(
            estimator,
            f"Boosted{estimator.__name__}",
            calculate_linear_classifier_output_shapes if classifier else calculate_linear_regressor_output_shapes,
            convert,
            options=options if classifier else None,
        )


def _lightgbm(scope: Any, operator: Any, container: Any) -> None:
    """Add LightGBM's trees, as `lightgbm_graph` writes them, to the graph that skl2onnx makes."""
    from onnx import TensorProto, helper

    model = operator.raw_operator
    given, trees, scores = (scope.get_unique_variable_name(name) for name in ("rows", "trees", "scores"))
    dumped = model.booster_.dump_model()
    classifier = hasattr(model, "classes_")
    raw = classifier and container.get_options(model, {"raw_scores": False}).get("raw_scores", False)
    graph = lightgbm_graph(dumped | ({"objective": "custom"} if raw else {}), given, trees).graph
    names = {name: scope.get_unique_variable_name(name) for node in graph.node for name in node.output}
    names |= {given: given, trees: trees}

    def add(kind: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: Any) -> None:
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, inputs, outputs, op_domain=domain, name=name, **attributes)

    add("Cast", [operator.inputs[0].full_name], [given], to=TensorProto.FLOAT)
    for node in graph.node:
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        inputs, outputs = ([names[name] for name in part] for part in (node.input, node.output))
        add(node.op_type, inputs, outputs, domain=node.domain, **attributes)
    if not classifier:
        add("Identity", [trees], [operator.outputs[0].full_name])
        return
    if len(model.classes_) == 2:
        whole, other = (str(scope.get_unique_variable_name(name)) for name in ("whole", "other"))
        container.add_initializer(whole, TensorProto.FLOAT, [1], [0.0 if raw else 1.0])
        add("Sub", [whole, trees], [other])
        add("Concat", [other, trees], [scores], axis=1)
    else:
        add("Identity", [trees], [scores])
    classes, best = (str(scope.get_unique_variable_name(name)) for name in ("classes", "best"))
    text = model.classes_.dtype.kind not in "iufb"
    values = [str(name).encode() for name in model.classes_] if text else [int(name) for name in model.classes_]
    container.add_initializer(classes, TensorProto.STRING if text else TensorProto.INT64, [len(values)], values)
    add("ArgMax", [scores], [best], axis=1, keepdims=0)
    add("Gather", [classes, best], [operator.outputs[0].full_name])
    add("Identity", [scores], [operator.outputs[1].full_name])
