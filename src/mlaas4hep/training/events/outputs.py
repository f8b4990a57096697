"""What the scores of a trained model are: probabilities, decision values, or values of a regression.

Everything that depends on it (the manifest, the threshold, which figures there are, the words in the report) asks the
`OutputKind` that is found here, once, after the training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.sections import Output
from mlaas4hep.training.events.base import Events, Task

__all__ = ["Kind", "OutputKind", "Said", "find_output"]

Kind: TypeAlias = Literal["probability", "decision", "value"]

_EVENTS = 100_000
_MIDDLE = 0.02
"""A cut so near to 0.5 is that of probabilities."""

_NEAR = 1e-3


@dataclass(frozen=True)
class Said:
    """What a backend knows of the scores of its model.

    Attributes:
        decision: true if they are decision values: larger for the signal, without a scale that means a probability.
        threshold: binary: the score between signal and background.
        raw: what is done to the numbers of the native model to make scores of them: ``sigmoid``, ``softmax`` or, as
            ``value``, nothing; written into the bundle.
    """

    decision: bool = False
    threshold: float = 0.5
    raw: Literal["sigmoid", "softmax", "value"] = "value"

    @staticmethod
    def cut_at(threshold: float) -> Said:
        """Say what scores are whose loss cuts at a threshold: decision values, unless it is about 0.5."""
        return Said(abs(threshold - 0.5) > _MIDDLE, threshold)


@dataclass(frozen=True)
class OutputKind:
    """What the scores are.

    Attributes:
        kind: ``probability`` (each in [0, 1], those of an event sum to 1), ``decision`` or ``value`` (regression).
        threshold: binary: score from which an event counts as signal where the user chose none; 0.5 else.
    """

    kind: Kind
    threshold: float = 0.5

    def described(self, task: Task, names: tuple[str, ...], target: str | None) -> Output:
        """Return the manifest's section."""
        if task == "regression":
            return Output(shape=(1,), meaning=(f"predicted {target or 'label'}",), kind="value")
        word = "probability of" if self.kind == "probability" else "decision value for"
        if task == "binary":
            meaning: tuple[str, ...] = (f"{word} {names[1]} (against {names[0]})",)
        else:
            meaning = tuple(f"{word} {name}" for name in names)
        return Output(shape=(len(meaning),), meaning=meaning, kind=self.kind)


def find_output(
    said: Said,
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    events: Events,
    task: Task,
    warn: Callable[[str], None],
) -> OutputKind:
    """Return what the scores are, from what the backend says and from the scores of real events.

    Args:
        said: what the backend says.
        predict: transformed rows to scores.
        events: those that are tried, up to 100 000.
        task: binary, multiclass or regression.
        warn: told if the scores are not probabilities.
    """
    if task == "regression":
        return OutputKind("value")
    threshold = said.threshold if task == "binary" else 0.5
    if said.decision:
        cut = f"; an event counts as signal from {threshold:g} on" if task == "binary" else ""
        warn(f"the model gives no probabilities but decision values{cut}: there is no log loss")
        return OutputKind("decision", threshold)
    found = _strange(predict, events, task)
    if found:
        warn(f"{found}: the scores are taken as decision values, not as probabilities, and there is no log loss")
        return OutputKind("decision", threshold)
    return OutputKind("probability", threshold)


def _strange(predict: Callable[[NDArray[np.float32]], NDArray[np.float32]], events: Events, task: Task) -> str:
    """Why the scores of some events cannot be probabilities; empty if they can."""
    seen = 0
    for chunk in events.chunks(0):
        scores = predict(chunk.x)
        scores = scores[np.isfinite(scores).all(axis=1)]
        if len(scores) and (scores.min() < 0.0 or scores.max() > 1.0):
            return f"scores from {scores.min():.4g} to {scores.max():.4g} lie outside 0 to 1"
        if task == "multiclass" and (np.abs(scores.sum(axis=1) - 1.0) > _NEAR).any():
            return "the scores of an event do not sum to 1"
        seen += len(chunk)
        if seen >= _EVENTS:
            break
    return ""
