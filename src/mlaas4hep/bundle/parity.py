"""Does the ONNX model give the scores of the native model? Asked of every conversion, on real rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.onnx_graph import to_bytes
from mlaas4hep.bundle.sections import Parity
from mlaas4hep.errors.text import first_line
from mlaas4hep.features.layout import Layout
from mlaas4hep.frameworks.onnx.scoring import OnnxScorer

if TYPE_CHECKING:
    import onnx

__all__ = ["check", "same_scores", "spread_of"]

NOISE = 1e-6


def check(
    onnx_model: onnx.ModelProto,
    native_predict: Callable[[NDArray[np.float32]], NDArray[Any]],
    layout: Layout,
    raw_rows: NDArray[np.float32],
    tolerance: float = 1e-4,
) -> Parity:
    """Compare the composed ONNX model with the native model.

    Args:
        onnx_model: takes raw columns (see `compose`).
        native_predict: scores [N, K] of transformed rows, float32 [N, layout.model_width].
        layout: how raw rows are transformed.
        raw_rows: float32 [N, D], real events.
        tolerance: largest difference allowed, in units of the spread of the native scores (see `spread_of`), besides
            the noise of float32: one step of it, and up to `NOISE` where that is small against the spread.

    Returns:
        The result. It never raises because of the model: what fails is the reason why they do not agree.
    """

    def refused(reason: str, difference: float | None = None) -> Parity:
        return Parity(
            rows=len(raw_rows), max_abs_difference=difference, tolerance=tolerance, agreed=False, reason=reason
        )

    if not len(raw_rows):
        return refused("there are no rows to compare")
    native = np.asarray(native_predict(layout.transform(raw_rows)), dtype=np.float64)
    try:
        scorer = OnnxScorer(to_bytes(onnx_model), threads=1)
        scores = scorer.scores(raw_rows).astype(np.float64)
        alone = np.concatenate([scorer.scores(raw_rows[i : i + 1]) for i in range(min(3, len(raw_rows)))])
    except Exception as error:  # any failure of a converted model is an answer here
        return refused(f"ONNX Runtime fails: {first_line(error)}")
    if scores.shape != native.shape:
        return refused(f"the ONNX scores have shape {list(scores.shape)}, the native ones {list(native.shape)}")
    for name, values in (("native", native), ("ONNX", scores)):
        bad = int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
        if bad:
            return refused(f"the {name} scores of {bad} of {len(values)} rows are NaN or infinite")
    difference = np.abs(scores - native)
    largest = float(difference.max())
    spread = spread_of(native)
    allowed = _allowed(native, tolerance)
    if (difference > allowed).any():
        return refused(
            f"ONNX and native scores differ by up to {largest:.3g}, where the scores spread over {spread:.3g}",
            largest,
        )
    if (np.abs(alone - scores[: len(alone)]) > allowed[: len(alone)]).any():
        return refused("the ONNX scores of a row depend on the other rows of the batch", largest)
    return Parity(rows=len(raw_rows), max_abs_difference=largest, tolerance=tolerance, agreed=True)


def same_scores(scores: NDArray[Any], expected: NDArray[Any], tolerance: float = 1e-4) -> bool:
    """Return true if scores are those that are expected, as `check` judges it."""
    if scores.shape != expected.shape:
        return False
    right = np.asarray(expected, dtype=np.float64)
    return bool((np.abs(scores - right) <= _allowed(right, tolerance)).all() or not len(right))


def _allowed(native: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    spread = spread_of(native)
    step = np.spacing(np.abs(native).astype(np.float32)).astype(np.float64)
    return np.asarray(tolerance * spread + min(NOISE, 100 * tolerance * spread) + step)


def spread_of(scores: NDArray[np.float64]) -> float:
    """Return the width that a difference of scores [N, K] is judged by.

    Half the distance of the 16 % and 84 % quantiles, or the standard deviation where that is larger, of the column
    where it is largest; 1 if all scores are equal.
    """
    low, high = np.quantile(scores, (0.16, 0.84), axis=0)
    spread = float(max(((high - low) / 2.0).max(), scores.std(axis=0).max()))
    return spread if spread > 0.0 else 1.0
