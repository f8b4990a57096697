"""torch models: the user's ``model.py`` builds the module, the weights come from ``model.pt``."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.scoring.native import Predict
from mlaas4hep.errors import BundleError

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
    where = "native/model.py"
    if not trust_code:
        what = "loading this native torch model runs the code in its model.py"
        raise BundleError(what, where=where, hint="read the file, and allow it (trust_code) if you trust its author")
    import torch

    spec = importlib.util.spec_from_file_location("mlaas4hep_native_model", folder / "model.py")
    if spec is None or spec.loader is None or not (folder / "model.py").is_file():
        what = "the bundle has no model.py for its torch weights"
        raise BundleError(what, where=where)
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    build = getattr(code, "model", None)
    if not callable(build):
        what = "it does not define model()"
        raise BundleError(what, where=where)
    module: Any = build(width) if inspect.signature(build).parameters else build()
    module.load_state_dict(torch.load(folder / "model.pt", map_location="cpu", weights_only=True))
    for part in module.modules():  # the method that sets this may be the user's own
        part.training = False
    if threads is not None:
        torch.set_num_threads(threads)

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(x)).cpu().numpy())

    return predict
