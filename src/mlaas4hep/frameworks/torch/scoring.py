"""torch models: the user's ``model.py`` builds the module, the weights come from ``model.pt``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.scorer import Predict
from mlaas4hep.frameworks.user_code.build import built_by_code

__all__ = ["load_torch"]


def load_torch(folder: Path, width: int, threads: int | None, trust_code: bool) -> Predict:
    """Load a module.

    Args:
        folder: holds ``model.py`` and ``model.pt``.
        width: number of columns the model sees, given to ``model(idim)``.
        threads: torch's threads in this process.
        trust_code: must be true, because ``model.py`` is run.

    Raises:
        BundleError: the code is not trusted, or does not define the model that the weights belong to.
    """
    module: Any = built_by_code(folder, width, "torch", trust_code)
    import torch

    module.load_state_dict(torch.load(folder / "model.pt", map_location="cpu", weights_only=True))
    for part in module.modules():  # the method that sets this may be the user's own
        part.training = False
    if threads is not None:
        torch.set_num_threads(threads)

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(x)).cpu().numpy())

    return predict
