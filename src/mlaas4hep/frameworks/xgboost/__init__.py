"""XGBoost."""

from __future__ import annotations

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK", "MODEL_FILE"]

MODEL_FILE = "model.ubj"
"""How a bundle holds a model."""


def _recognise(file: Peek) -> str | None:
    head = file.head.lstrip()
    if file.head.startswith((b"binf", b"bs64")) or (file.path.suffix == ".xgb" and not head.startswith(b"{")):
        what = "a legacy XGBoost binary file is not loaded"
        raise ModelRefusedError(what, where=file.path.name, hint="save it again as .ubj or .json with save_model")
    if not head.startswith(b"{"):
        return None
    binary = file.head.startswith(b"{") and b"learner" in head
    text = all(file.data.find(key) >= 0 for key in (b'"learner"', b'"gradient_booster"'))
    return "xgboost" if binary or text else None


FRAMEWORK = Framework(
    name="xgboost",
    imports=("xgboost",),
    recognise=_recognise,
    formats=(
        ModelFormat("xgboost", "XGBoost .json and .ubj", "XGBoost", "mlaas4hep.frameworks.xgboost.files", "xgboost"),
    ),
    natives=(NativeFile(MODEL_FILE, "mlaas4hep.frameworks.xgboost.files:load_native"),),
    backend="mlaas4hep.training.backends.xgboost.backend:XGBoostBackend",
    trained="XGBoost's scikit-learn models",
    packages=("xgboost", "xgboost-cpu"),
)
