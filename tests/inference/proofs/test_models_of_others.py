"""Models of others from upload to answer: what can be served is, what cannot is refused, and the server lives on."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest

from tests.support.foreign_models import close
from tests.support.serve_process import ServeProcess
from tests.support.serving import put

MODELS = {
    "baseline": "keras/baseline-model.h5",
    "tf_model": "keras/tf_model.keras",
    "half": "saved_model/half_plus_two_tf2",
    "tau": "frozen_graph/tau_3layer.pb",
    "particles": "torchscript/pn_test",
    "boosted": "xgboost/xgboost_example.ubj",
    "simple": "onnx/simple",
    "jets": "onnx/jet_tagger_16x5.onnx",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """One process for all models, with one of its own beside them."""
    root = tmp_path_factory.mktemp("others")
    put(root / "models", "steady", 1, 2.0)
    serving = ServeProcess(root, root / "models", {"limits": {"loaded": 20}})
    yield serving
    serving.stop()


def content(path: Path) -> bytes:
    """A file as it is, a folder as tar.gz."""
    if path.is_file():
        return path.read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(path, path.name)
    return packed.getvalue()


def upload(server: ServeProcess, path: Path, name: str) -> httpx.Response:
    """Send it under a name."""
    query = {"name": name, "filename": path.name if path.is_file() else f"{path.name}.tar.gz"}
    return httpx.post(f"{server.url}/api/models", params=query, content=content(path), timeout=300)


def steady(server: ServeProcess) -> Any:
    """An answer of the server's own model."""
    body = {"model": "steady", "rows": [[1.0, 2.0]]}
    return httpx.post(f"{server.url}/predict", json=body, timeout=30).json()["scores"]


def values(rng: np.random.Generator, spec: Any) -> Any:
    """Three rows for an input; one where the first axis counts no rows."""
    shape = [
        size if isinstance(size, int) and size > 0 else 3 if axis == 0 else 40 for axis, size in enumerate(spec.shape)
    ]
    if "int" in spec.type:
        return rng.integers(-50, 50, shape).astype(np.int32)
    return rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_served(server: ServeProcess, shared_data: Path, name: str) -> None:
    """By what its ONNX form gives; that this is what its framework gives, see tests/inference/foreign."""
    answer = upload(server, shared_data / "models" / MODELS[name], name)
    assert answer.status_code < 300, answer.text
    form = server.log.parent / "models" / name / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(form, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(8)
    given = {spec.name: values(rng, spec) for spec in session.get_inputs()}
    expected = dict(zip([spec.name for spec in session.get_outputs()], session.run(None, given), strict=True))
    kinds = {"float32": "FP32", "int32": "INT32"}
    inputs = [
        {"name": key, "shape": array.shape, "datatype": kinds[array.dtype.name], "data": array.ravel().tolist()}
        for key, array in given.items()
    ]
    found = httpx.post(f"{server.url}/v2/models/{name}/infer", content=json.dumps({"inputs": inputs}), timeout=60)
    assert found.status_code == 200, found.text
    outputs = {one["name"]: np.array(one["data"]).reshape(one["shape"]) for one in found.json()["outputs"]}
    assert outputs.keys() == expected.keys()
    for key, array in outputs.items():
        assert close(array, expected[key])


def test_every_one_in_the_folder_is_tried(shared_data: Path) -> None:
    folder = shared_data / "models"
    there = {
        f"{kind.name}/{path.name}" for kind in folder.iterdir() if kind.name != "refuse" for path in kind.iterdir()
    }
    assert there == set(MODELS.values())


@pytest.mark.parametrize(
    "name",
    ["whole_module_pickle.pt", "bnn_model_fc_1layer.onnx", "custom_layers.h5", "sklearn_pickle.joblib", "legacy.xgb"],
)
def test_what_is_refused_leaves_the_server_as_it_was(server: ServeProcess, shared_data: Path, name: str) -> None:
    answer = upload(server, shared_data / "models" / "refuse" / name, "refused")
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert str(server.log.parent) not in answer.text
    assert httpx.get(f"{server.url}/api/models/refused").status_code == 404
    assert steady(server) == [[2.0, 4.0]]
    assert server.process.poll() is None
    assert [path.name for path in (server.log.parent / "models").iterdir() if path.name.startswith(".work")] == []
