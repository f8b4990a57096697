"""What a loss says about the numbers it is given, found by trying it: logits, or what they are, and where to cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["LossFunction", "Reading", "reading_of", "shifts_along"]

LossFunction: TypeAlias = Callable[[NDArray[np.float32], float], float]
"""The loss of one event: outputs of the model, float32 [C], and the class index or the target."""

_STEP = 0.05
_TOLERANCE = 0.02
_REACH = 5.0


@dataclass(frozen=True)
class Reading:
    """How the outputs of a model that was trained with a loss are to be read.

    Attributes:
        logits: true if sigmoid (one output) or softmax of the outputs is the probability that the loss asks for.
        threshold: for one output that is not a logit: where it lies for an event that is as likely signal as
            background; 0.5 where that cannot be told.
    """

    logits: bool
    threshold: float = 0.5


def reading_of(loss: LossFunction, outputs: int) -> Reading:
    """Return how to read the outputs, from the values of the loss alone.

    If sigmoid or softmax of the outputs is the probability, then the expected loss of events with that probability has
    its minimum there: the mean slope over the classes is zero, wherever it is tried. This holds for cross entropy on
    logits under whatever name, and for no loss on probabilities, margins or plain numbers.

    Args:
        loss: of one event; whatever it raises means that these outputs are not for it.
        outputs: their number.
    """
    try:
        if outputs == 1:
            return Reading(True) if _sigmoid_fits(loss) else Reading(False, _balance(loss))
        return Reading(_softmax_fits(loss, outputs))
    except Exception:  # a loss may raise anything on numbers that are not what it expects
        return Reading(False, _balance(loss) if outputs == 1 else 0.5)


def shifts_along(loss: LossFunction) -> bool:
    """Return true for a loss of the difference of output and target alone, as squared and absolute errors are."""
    try:
        pairs = [(-1.3, 0.4), (0.2, 0.9), (1.7, -0.6)]
        return all(
            np.isclose(_at(loss, [z], y), _at(loss, [z + shift], y + shift), rtol=1e-3, atol=1e-6)
            for z, y in pairs
            for shift in (-3.0, 2.0)
        )
    except Exception:  # as above
        return False


def _at(loss: LossFunction, outputs: list[float] | NDArray[np.float64], y: float) -> float:
    return float(loss(np.asarray(outputs, np.float32), y))


def _sigmoid_fits(loss: LossFunction) -> bool:
    for z in (-2.6, -1.1, -0.4, 0.7, 1.5, 2.9):
        p = 1.0 / (1.0 + np.exp(-z))
        up, down = (
            share * (_at(loss, [z + _STEP], y) - _at(loss, [z - _STEP], y)) for share, y in ((p, 1.0), (1.0 - p, 0.0))
        )
        if not abs(up + down) < _TOLERANCE * (abs(up) + abs(down)):
            return False
    return True


def _softmax_fits(loss: LossFunction, outputs: int) -> bool:
    rng = np.random.default_rng(0)
    for _ in range(3):
        z, way = rng.normal(size=(2, outputs))
        way -= way.mean()
        way /= np.abs(way).max()
        p = np.exp(z) / np.exp(z).sum()
        slopes = [
            p[y] * (_at(loss, z + _STEP * way, float(y)) - _at(loss, z - _STEP * way, float(y))) for y in range(outputs)
        ]
        if not abs(sum(slopes)) < _TOLERANCE * sum(map(abs, slopes)):
            return False
    return True


def _balance(loss: LossFunction) -> float:
    """The output with the smallest loss for signal and background together: the middle, if there are many."""
    steps = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    sums = np.array([_or_infinite(loss, z) for z in steps])
    if not np.isfinite(sums).any():
        return 0.5
    lowest = sums.min()
    spread = np.ptp(sums[np.isfinite(sums)])
    best = steps[sums <= lowest + 1e-4 * spread]
    return float(np.round((best[0] + best[-1]) / 2, 3)) if spread > 0 else 0.5


def _or_infinite(loss: LossFunction, z: float) -> float:
    try:
        value = _at(loss, [z], 1.0) + _at(loss, [z], 0.0)
    except Exception:  # as above
        return float("inf")
    return value if np.isfinite(value) else float("inf")
