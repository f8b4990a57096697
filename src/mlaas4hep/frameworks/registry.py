"""The frameworks that there are, one line each; none of them is imported."""

from __future__ import annotations

import importlib
from functools import cache

from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile

__all__ = ["NAMES", "format_of_kind", "frameworks", "native_files"]

NAMES = (
    "keras",
    "torch",
    "xgboost",
    "lightgbm",
    "sklearn",
    "tensorflow",
    "onnx",
)
"""Folders below ``mlaas4hep.frameworks``, or modules by their whole name; each has a `Framework` called ``FRAMEWORK``.

The order counts: a Keras model may be a torch module, and an XGBoost model is a scikit-learn estimator.
"""


@cache
def frameworks() -> tuple[Framework, ...]:
    """Return what is known of each framework, in the order in which models are recognised."""
    places = [name if "." in name else f"mlaas4hep.frameworks.{name}" for name in NAMES]
    return tuple(importlib.import_module(place).FRAMEWORK for place in places)


def format_of_kind(kind: str) -> ModelFormat:
    """Return the format of this name; raises KeyError if there is none."""
    return {known.kind: known for framework in frameworks() for known in framework.formats}[kind]


def native_files() -> tuple[NativeFile, ...]:
    """Return the files that hold a bundle's model, of all frameworks."""
    return tuple(file for framework in frameworks() for file in framework.natives)
