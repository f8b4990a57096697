"""Answers of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Inferred", "Scored"]


@dataclass(slots=True, eq=False)
class Scored:
    """Scores of events.

    Attributes:
        scores: float32 [N, K].
        classes: names of the K columns: class names; for a binary bundle the signal's name alone; may be empty.
        model, version: who gave them.
    """

    scores: NDArray[np.float32]
    classes: tuple[str, ...]
    model: str
    version: str


@dataclass(slots=True, eq=False)
class Inferred:
    """Outputs of a model for tensors given by name."""

    outputs: dict[str, NDArray[Any]]
    model: str
    version: str
