"""LightGBM models from their text files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.scorer import Loading, Predict

__all__ = ["load_lightgbm"]


def load_lightgbm(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a booster; its objective, written in the file, says what it gives."""
    import lightgbm

    booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
    options: dict[str, Any] = {} if loading.threads is None else {"num_threads": loading.threads}

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(booster.predict(x, **options))

    return predict, "probability"
