"""XGBoost models from their binary JSON (``.ubj``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.scorer import Loading, Predict

__all__ = ["load_ubj"]


def load_ubj(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a booster. Its objective says what it gives: probabilities for logistic and softprob, else values."""
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(folder / "model.ubj")
    threads = loading.threads
    if threads is not None:
        booster.set_param({"nthread": threads})
    best = booster.attr("best_iteration")
    rounds = (0, int(best) + 1) if best is not None else (0, 0)

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        values: NDArray[Any] = booster.predict(xgboost.DMatrix(x, nthread=threads), iteration_range=rounds)
        return values

    return predict, "probability"
