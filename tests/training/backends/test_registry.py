from __future__ import annotations

import subprocess
import sys

import pytest
from sklearn.linear_model import LogisticRegression

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends import backend_for, backends


def test_names() -> None:
    assert set(backends()) == {"keras", "torch", "sklearn", "xgboost"}
    assert all(backend.name == name for name, backend in backends().items())


def test_no_framework_is_imported_for_asking() -> None:
    code = (
        "import sys\nfrom mlaas4hep.training.backends import backend_for\n"
        "try:\n    backend_for(object())\nexcept Exception as error:\n    print(type(error).__name__)\n"
        "print([n for n in ('keras', 'tensorflow', 'torch', 'sklearn', 'xgboost', 'onnx') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:2] == ["ModelFileError", "[]"]


def test_sklearn_model() -> None:
    assert backend_for(LogisticRegression()).name == "sklearn"


def test_xgboost_model_is_not_taken_for_sklearn() -> None:
    xgboost = pytest.importorskip("xgboost")
    assert backend_for(xgboost.XGBClassifier()).name == "xgboost"


def test_torch_module() -> None:
    torch = pytest.importorskip("torch")
    assert backend_for(torch.nn.Linear(1, 1)).name == "torch"


def test_unknown_type() -> None:
    with pytest.raises(
        ModelFileError, match=r"returned an object of type dict; supported are keras.Model, torch.nn.Module"
    ):
        backend_for({})


def test_class_instead_of_instance() -> None:
    with pytest.raises(ModelFileError, match=r"returned the class LogisticRegression; return an instance"):
        backend_for(LogisticRegression)
