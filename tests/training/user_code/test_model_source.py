"""What a model file says, found without running it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.user_code.model_source import convolves, frameworks_wanted
from mlaas4hep.training.user_code.tensorflow_start import without_onednn
from tests.support.fitting import MODELS


def write(folder: Path, text: str, name: str = "model.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import numpy\n", set()),
        ("from tensorflow import keras\n", {"keras"}),
        ("import keras.layers as kl\n", {"keras"}),
        ("import torch.nn as nn\nfrom xgboost import XGBClassifier\n", {"torch", "xgboost"}),
        ("def model():\n    from sklearn.svm import SVC\n", {"sklearn"}),
        ("import neighbour\n", {"torch"}),
        ("from . import neighbour\n", {"torch"}),
    ],
)
def test_frameworks_are_found_without_running(tmp_path: Path, text: str, wanted: set[str]) -> None:
    write(tmp_path, "import torch\nimport model\n", "neighbour.py")
    assert frameworks_wanted(write(tmp_path, text + "raise RuntimeError\n")) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("talk_keras", "keras"),
        ("keras_own_fit", "keras"),
        ("torch_mlp", "torch"),
        ("svc", "sklearn"),
        ("xgb", "xgboost"),
    ],
)
def test_frameworks_of_the_example_files(name: str, wanted: str) -> None:
    assert frameworks_wanted(MODELS / f"{name}.py") == {wanted}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from keras.layers import Dense\n", False),
        ("from keras.layers import Conv1D as Layer\n", True),
        ("import keras\nkeras.layers.SeparableConv2D(4, 3)\n", True),
        ("from keras import ops\nops.conv(1, 2)\n", True),
        ("import neighbour\n", True),
    ],
)
def test_convolutions_are_found_without_running(tmp_path: Path, text: str, found: bool) -> None:
    write(tmp_path, "from keras.layers import Conv2D\n", "neighbour.py")
    assert convolves(write(tmp_path, text + "raise RuntimeError\n")) is found


def test_no_file_and_no_python(tmp_path: Path) -> None:
    for look in (frameworks_wanted, convolves):
        with pytest.raises(ModelFileError, match="no such model file"):
            look(tmp_path / "none.py")
        with pytest.raises(ModelFileError, match="syntax error"):
            look(write(tmp_path, "def\n"))


@pytest.mark.parametrize("before", [None, "1"])
def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    if before is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    without_onednn()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == (before or "0")
