from __future__ import annotations

import io
import json
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.recognise import recognise
from mlaas4hep.frameworks.recognition.pickles import is_pickle
from tests.support.onnx_graphs import linear


def zipped(path: Path, names: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("frozen_graph/tau_3layer.pb", "graphdef"),
        ("keras/baseline-model.h5", "keras_h5"),
        ("keras/tf_model.keras", "keras"),
        ("onnx/jet_tagger_16x5.onnx", "onnx"),
        ("xgboost/xgboost_example.ubj", "xgboost"),
        ("torchscript/pn_test/1/model.pt", "torchscript"),
    ],
)
def test_files_go_by_content(shared_data: Path, tmp_path: Path, file: str, kind: str) -> None:
    source = shared_data / "models" / file
    assert recognise(source) == (kind, source)
    renamed = tmp_path / "model"
    renamed.write_bytes(source.read_bytes())
    assert recognise(renamed) == (kind, renamed)


def test_folders(shared_data: Path) -> None:
    models = shared_data / "models"
    saved = models / "saved_model" / "half_plus_two_tf2"
    assert recognise(saved) == ("savedmodel", saved / "00000123")
    assert recognise(saved / "00000123") == ("savedmodel", saved / "00000123")
    assert recognise(models / "onnx" / "simple") == ("onnx", models / "onnx" / "simple" / "1" / "model.onnx")
    script = models / "torchscript" / "pn_test"
    assert recognise(script) == ("torchscript", script / "1" / "model.pt")


def test_the_highest_version_counts(tmp_path: Path) -> None:
    for version in ("2", "10", "9"):
        (tmp_path / version).mkdir()
        onnx.save(linear(), tmp_path / version / "model.onnx")
    (tmp_path / "params.json").write_text("{}")
    (tmp_path / "labels.txt").write_text("a\nb")
    (tmp_path / ".hidden").write_bytes(b"\x80\x04")
    assert recognise(tmp_path)[1] == tmp_path / "10" / "model.onnx"


def test_several_models(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        onnx.save(linear(), tmp_path / name)
    with pytest.raises(ModelRefusedError, match=r"holds several models \(a\.onnx, b\.onnx\); upload one at a time"):
        recognise(tmp_path)


def test_texts(tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.write_text("tree\nversion=v4\nnum_class=1\n")
    assert recognise(file)[0] == "lightgbm"
    file.write_text(json.dumps({"version": [3, 1], "learner": {"gradient_booster": {}}}))
    assert recognise(file)[0] == "xgboost"


def test_archives(tmp_path: Path) -> None:
    file = tmp_path / "model"
    assert recognise(zipped(file, {"schema.json": b""}))[0] == "skops"
    assert recognise(zipped(file, {"config.json": b"", "metadata.json": b"", "model.weights.h5": b""}))[0] == "keras"
    assert recognise(zipped(file, {"m/code/x.py": b"", "m/data.pkl": b""}))[0] == "torchscript"
    assert recognise(zipped(file, {"m/archive_format": b"pt2", "m/models/model.json": b""}))[0] == "torch_export"


REFUSED = [
    ("refuse/legacy.xgb", "legacy XGBoost binary file is not loaded; save it again as .ubj or .json"),
    ("refuse/sklearn_pickle.joblib", "pickles are never loaded: they can run any code"),
    ("refuse/whole_module_pickle.pt", "pickles are never loaded"),
    (
        "saved_model/half_plus_two_tf2/00000123/saved_model.pb",
        "only the graph of a SavedModel was sent; send its whole folder",
    ),
    ("saved_model/half_plus_two_tf2/00000123/assets/foo.txt", "format of the file is not known; known are "),
]


@pytest.mark.parametrize(("file", "why"), REFUSED)
def test_refused(shared_data: Path, tmp_path: Path, file: str, why: str) -> None:
    source = shared_data / "models" / file
    with pytest.raises(ModelRefusedError, match=why):
        recognise(source)
    (tmp_path / "model").write_bytes(source.read_bytes())
    (tmp_path / "README").write_text("how to use it")
    with pytest.raises(ModelRefusedError):  # under another name, in a folder
        recognise(tmp_path)


def test_empty(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="the upload holds no model; known are"):
        recognise(tmp_path)
    (tmp_path / "x").touch()
    with pytest.raises(ModelRefusedError, match="x: the file is empty"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"m/data.pkl": b"", "m/data/0": b""}, "a pickle of torch"),
        ({"m/data/aotinductor/model/x.so": b"", "m/archive_format": b""}, "compiled code"),
        ({"a.npy": b""}, "not known"),
    ],
)
def test_archives_refused(tmp_path: Path, names: dict[str, bytes], why: str) -> None:
    with pytest.raises(ModelRefusedError, match=why):
        recognise(zipped(tmp_path / "m", names))


def test_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ModelRefusedError, match="a damaged zip file"):
        recognise(tmp_path / "m")


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_all_protocols(tmp_path: Path, protocol: int) -> None:
    for value in ({"a": 1}, np.arange(3), [1, 2]):
        content = pickle.dumps(value, protocol)
        assert is_pickle(content)
        (tmp_path / "m").write_bytes(content)
        with pytest.raises(ModelRefusedError, match="pickles are never loaded"):
            recognise(tmp_path / "m")
    assert is_pickle(zlib.compress(pickle.dumps([1], protocol)))


def test_no_pickles() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    for content in (b"", b"x", b"{}", b"tree\nversion=v4\n", buffer.getvalue(), linear().SerializeToString()):
        assert not is_pickle(content)
