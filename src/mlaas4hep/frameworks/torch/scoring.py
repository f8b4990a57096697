"""torch models: the user's ``model.py`` builds the module, the weights come from ``model.pt``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BundleError
from mlaas4hep.frameworks.scorer import Loading, Predict
from mlaas4hep.frameworks.torch import MODEL_FILE
from mlaas4hep.frameworks.user_code.build import built_by_code

__all__ = ["load_torch"]


def load_torch(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a module.

    Args:
        folder: holds ``model.py`` and ``model.pt``.
        loading: the width is given to ``model(idim)``, the threads are torch's in this process.

    Raises:
        BundleError: the code is not trusted, does not define the model that the weights belong to, or nothing says
            whether the model gives probabilities or logits.
    """
    module: Any = built_by_code(folder, loading.width, "torch", loading.trust_code)
    if loading.task != "regression" and "output" not in loading.about:
        what = "native/about.json does not say whether the torch model gives probabilities or logits"
        raise BundleError(what, where="native/about.json")
    import torch

    module.load_state_dict(torch.load(folder / MODEL_FILE, map_location="cpu", weights_only=True))
    for part in module.modules():  # the method that sets this may be the user's own
        part.training = False
    if loading.threads is not None:
        torch.set_num_threads(loading.threads)

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(x)).cpu().numpy())

    return predict, "value"
