"""LightGBM models from their text files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.scorer import Predict

__all__ = ["load_lightgbm"]


def load_lightgbm(file: Path, threads: int | None) -> Predict:
    """Load a booster; its objective, written in the file, says what it gives."""
    import lightgbm

    booster = lightgbm.Booster(model_file=str(file))
    options: dict[str, Any] = {} if threads is None else {"num_threads": threads}

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(booster.predict(x, **options))

    return predict
