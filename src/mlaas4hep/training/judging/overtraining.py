"""In words: whether the model does better on the events it was trained on than on others, and what to try."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlaas4hep.training.judging.text import is_weighted, main_part, number, with_error

__all__ = ["overtraining"]

_ERRORS = 3.0
"""Errors by which an AUC of the training events must lie above that of the others."""

_LEAST_DIFFERENCE = 0.005
"""A smaller difference of the AUC is nothing to act on, however many events there are."""

_PROBABILITY = 1e-4
_LEAST_DISTANCE = 0.02
"""As for the AUC: distances below are left alone."""

_REMEDY = (
    "the model is overtrained. Try a simpler model (fewer or smaller trees, fewer units, "
    "more regularisation), early stopping, or more events, above all of samples whose events weigh much"
)


def overtraining(metrics: Mapping[str, Any]) -> str | None:
    """Return a sentence for the user if training and test events differ beyond what chance explains.

    Two things are looked at: an AUC of the training events more than three errors (and 0.005) above that of the test
    events (without these: of validation), with and without weights; and scores of a class, or residuals, that differ by
    the Kolmogorov-Smirnov test (p below 0.0001 over all classes together, distance above 0.02).

    Args:
        metrics: what `evaluate` returned.
    """
    parts: Mapping[str, Any] = metrics["parts"]
    other = main_part(parts)
    if "train" not in parts or other in {None, "train"}:
        return None
    found = []
    for kind in ("weighted", "unweighted") if is_weighted(parts) else ("unweighted",):
        one, two = parts["train"][kind], parts[other][kind]
        if _differ(one, two):
            text = f"AUC {_auc(one)} on training events, {_auc(two)} on {other} events"
            found.append(f"{kind} {text}" if is_weighted(parts) else text)
            break
    tests: Mapping[str, Any] = metrics.get("ks") or {}
    for name, test in tests.items():
        p_value, distance = test.get("p_value"), test.get("distance")
        if p_value is not None and p_value * len(tests) < _PROBABILITY and distance > _LEAST_DISTANCE:
            what = "residuals" if metrics["task"] == "regression" else f"scores of {name}"
            found.append(f"{what} differ between training and test (KS p = {number(p_value, 2)})")
    return f"{'; '.join(found)}: {_REMEDY}" if found else None


def _differ(train: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if any(block.get(key) is None for block in (train, other) for key in ("auc", "auc_error")):
        return False
    error = math.hypot(train["auc_error"], other["auc_error"])
    return bool(train["auc"] - other["auc"] > max(_LEAST_DIFFERENCE, _ERRORS * error))


def _auc(block: Mapping[str, Any]) -> str:
    return with_error(block["auc"], block["auc_error"])
