"""Errors, bias and resolution of a regression, with or without weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mlaas4hep.training.metrics._arrays import Floats, flat_scores, weights

__all__ = ["Moments", "regression_metrics", "weighted_quantile"]


def weighted_quantile(values: ArrayLike, quantiles: ArrayLike, weight: ArrayLike | None = None) -> Floats:
    """Quantiles of weighted values.

    The i-th smallest value stands at the share ``(W_i - w_i / 2) / W`` of the weights (W_i: sum up to and with it),
    with linear interpolation between; for equal weights this is definition 5 of Hyndman and Fan, The American
    Statistician 50 (1996) 361.

    Args:
        values: [N].
        quantiles: any shape, between 0 and 1.
        weight: [N]; None: 1 for every value. Where negative weights make the share fall, it
            stays at its maximum so far.

    Returns:
        float64 of the shape of ``quantiles``; NaN if the weights do not sum to more than 0.
    """
    data = np.asarray(values, dtype=np.float64)
    wanted = np.asarray(quantiles, dtype=np.float64)
    w = weights(weight, len(data))
    order = np.argsort(data, kind="stable")
    data, w = data[order], w[order]
    total = float(w.sum())
    if not total > 0.0:
        return np.full(wanted.shape, np.nan)
    share = np.maximum.accumulate((np.cumsum(w) - w / 2.0) / total)
    return np.asarray(np.interp(wanted, share, data), dtype=np.float64)


def regression_metrics(y: ArrayLike, scores: ArrayLike, weight: ArrayLike | None = None) -> dict[str, float]:
    """Return all figures of a regression; residual means predicted minus true value.

    Args:
        y: true values [N].
        scores: predicted values [N] or [N, 1].
        weight: [N], any sign; None: 1 for every event.

    Returns:
        ``mse``, ``mae``, ``rmse``, ``r2`` (1 - sum of squared residuals / sum of squared deviations from the mean),
        ``bias`` (mean residual) and ``resolution`` (half the distance between the 16 % and 84 % quantiles of the
        residuals), in units of the target (mse: squared). NaN where the weights do not sum to more than 0; ``rmse``
        also where mse is negative, ``r2`` also where the target does not vary.
    """
    true = np.asarray(y, dtype=np.float64)
    w = weights(weight, len(true))
    total = float(w.sum())
    moments = Moments(float((w * true).sum()) / total if total > 0.0 else 0.0)
    moments.add(true, scores, w)
    low, high = weighted_quantile(flat_scores(scores, len(true)) - true, [0.16, 0.84], w)
    return {**moments.figures(), "resolution": float(high - low) / 2.0}


class Moments:
    """Sums over events from which the figures of a regression follow.

    Args:
        centre: a value near the mean of the targets; None: the first one that is added.
    """

    def __init__(self, centre: float | None = None) -> None:
        self._centre = centre
        self._sums = np.zeros(6)

    def add(self, y: ArrayLike, scores: ArrayLike, weight: Floats) -> None:
        """Add true values [n], predicted ones [n] or [n, 1] and weights [n]."""
        true = np.asarray(y, dtype=np.float64)
        if self._centre is None and len(true):
            self._centre = float(true[0])
        residual = flat_scores(scores, len(true)) - true
        shifted = true - (self._centre or 0.0)
        for index, term in enumerate(
            (np.ones(len(true)), residual**2, np.abs(residual), residual, shifted, shifted**2)
        ):
            self._sums[index] += float((weight * term).sum())

    def figures(self) -> dict[str, float]:
        """Return all figures of `regression_metrics` but the resolution."""
        total = self._sums[0]
        if not total > 0.0:
            return dict.fromkeys(("mse", "mae", "rmse", "r2", "bias"), float("nan"))
        mse, mae, bias, mean, square = (float(value) for value in self._sums[1:] / total)
        variance = square - mean**2
        return {
            "mse": mse,
            "mae": mae,
            "rmse": float(np.sqrt(mse)) if mse >= 0.0 else float("nan"),
            "r2": 1.0 - mse / variance if variance > 0.0 else float("nan"),
            "bias": bias,
        }
