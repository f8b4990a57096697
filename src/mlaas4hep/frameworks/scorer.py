"""What every way of running a model offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BundleError

__all__ = ["Loading", "NativeLoader", "Predict", "Scorer", "checked", "in_batches"]

BATCH = 16_384

Predict: TypeAlias = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Transformed rows, float32 [N, layout.model_width], to the model's numbers [N] or [N, C]."""


@dataclass(frozen=True)
class Loading:
    """How a bundle's native model is loaded.

    Attributes:
        task: binary, multiclass or regression.
        width: number of columns that the model sees.
        threads: threads of one prediction; None: the framework's default.
        trust_code: run ``model.py``, which some models need.
        about: the content of ``about.json``.
    """

    task: str
    width: int
    threads: int | None = None
    trust_code: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)


NativeLoader: TypeAlias = Callable[[Path, Loading], tuple[Predict, str]]
"""Loads the model in a folder ``native``; what it returns last is how the numbers become scores, see `to_scores`."""


class Scorer(Protocol):
    """A loaded model, from raw feature columns to scores."""

    def scores(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores of some events.

        Args:
            raw: float32 [N, D], columns in the order of the manifest; NaN or infinite where missing.

        Returns:
            float32 [N, K]: binary K = 1, probability of the signal; multiclass one column per class; regression K = 1.

        Raises:
            BundleError: the number of columns is wrong, or the model gives something other than scores.
        """


def in_batches(
    function: Callable[[NDArray[np.float32]], NDArray[Any]], rows: NDArray[np.float32], batch: int = BATCH
) -> NDArray[np.float32]:
    """Apply a function to at most `batch` rows at a time, so that memory stays bounded; float32 [N, K]."""
    starts = range(0, max(len(rows), 1), batch)
    parts = [np.asarray(function(rows[start : start + batch]), dtype=np.float32) for start in starts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def checked(raw: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return the rows as contiguous float32 [N, width].

    Raises:
        BundleError: they have another number of columns.
    """
    rows = np.ascontiguousarray(raw, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != width:
        what = f"the model takes rows of {width} columns, but the shape given is {list(rows.shape)}"
        raise BundleError(what)
    return rows
