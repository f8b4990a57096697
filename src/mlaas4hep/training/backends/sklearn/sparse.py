"""Columns with next to no real value, which scikit-learn's HistGradientBoosting cannot take.

It fails on a column without any real value, also where its own early-stopping split or its own subsample for the
bins happens to leave none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.backends.base import FitSettings

__all__ = ["without_sparse_columns"]

SPARSE = 1e-3
SHOWN = 5
REASON = "missing in all but one training event of a thousand or fewer, which HistGradientBoosting cannot take"


def without_sparse_columns(model: Any, x: NDArray[np.float32], settings: FitSettings) -> Any:
    """Return the model, behind a step that leaves out columns real in less than one training event of a thousand.

    Args:
        model: a HistGradientBoosting model, or any other (which is returned as it is).
        x: training events float32 [N, width], NaN where missing.
        settings: gives the names of the columns and is told what is left out.
    """
    if not type(model).__name__.startswith("HistGradientBoosting"):
        return model
    real = np.count_nonzero(np.isfinite(x), axis=0)
    sparse = np.flatnonzero(real < max(SPARSE * len(x), 1))
    if not len(sparse):
        return model
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    names = [settings.columns[i] if i < len(settings.columns) else f"column {i}" for i in sparse]
    settings.left_out.update(dict.fromkeys(names, REASON))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    settings.warn(
        f"{type(model).__name__} cannot take columns that are missing in nearly every event: left out "
        f"{', '.join(names[:SHOWN])}{more}"
    )
    kept = [int(i) for i in np.setdiff1d(np.arange(x.shape[1]), sparse)]
    return Pipeline([("columns", ColumnTransformer([("kept", "passthrough", kept)])), ("model", model)])
