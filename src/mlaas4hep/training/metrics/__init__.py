"""How good a model is: weighted and unweighted figures for binary, multiclass and regression tasks."""

from __future__ import annotations

from mlaas4hep.training.metrics.compute import evaluate
from mlaas4hep.training.metrics.parts import Part

__all__ = ["Part", "evaluate"]
