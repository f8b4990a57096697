"""Models of people who never heard of this package: uploaded over HTTP to a real server, asked, and held against what
their framework gave."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from tests.support.serve_process import ServeProcess

MODELS = {
    "k_multi.keras": "onnx",
    "o_sum.keras": "onnx",
    "xgb_cat.json": "worker",
    "sk_lr_zip.onnx": "onnx",
    "e2_shared.pt2": "onnx",
    "n_norm_sm": "onnx",
}
"""Who serves each."""
VALUES = {"sk_lr_zip.onnx": "sk_lr", "n_norm_sm": "n_norm"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp("serve")
    process = ServeProcess(folder, folder / "models")
    yield process
    process.stop()


def ask(server: ServeProcess, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
    request = Request(server.url + path, data=body, headers={"Content-Type": kind})
    try:
        with urlopen(request, timeout=300) as answer:
            return json.loads(answer.read())
    except HTTPError as error:
        pytest.fail(error.read().decode())


def packed(path: Path, top: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(path, arcname=top)
    return buffer.getvalue()


def upload(server: ServeProcess, path: Path) -> dict[str, Any]:
    body = packed(path, path.name) if path.is_dir() else path.read_bytes()
    found: dict[str, Any] = ask(server, f"/upload?filename={path.name}", body, "application/octet-stream")
    return found


def infer(server: ServeProcess, name: str, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    tensors = ask(server, f"/v2/models/{name}")["inputs"]
    given = [
        {"name": t["name"], "datatype": t["datatype"], "shape": list(array.shape), "data": array.ravel().tolist()}
        for t, array in zip(tensors, arrays, strict=True)
    ]
    answer = ask(server, f"/v2/models/{name}/infer", json.dumps({"inputs": given}).encode())
    return [np.asarray(t["data"]).reshape(t["shape"]) for t in answer["outputs"]]


@pytest.mark.parametrize("file", MODELS)
def test_it_gives_what_its_framework_gave(server: ServeProcess, shared_data: Path, file: str) -> None:
    models = shared_data / "faults" / "models"
    info = upload(server, models / file)
    assert info["model"] == file.partition(".")[0]
    served = ask(server, f"/api/models/{info['model']}/metadata")["metadata"]
    platform = ask(server, f"/v2/models/{info['model']}")["platform"]
    assert (platform == "onnxruntime_onnx") == (MODELS[file] == "onnx"), served
    assert bool(served["reason"]) == (MODELS[file] == "worker")
    if file == "e2_shared.pt2":
        check_two_inputs(server, models / file, info["model"])
        return
    known = np.load(models / f"{VALUES.get(file, info['model'])}.npz")
    given = [known[f"in_{number}"] for number in range(sum(key.startswith("in_") for key in known))]
    found = infer(server, info["model"], given)
    for number in range(sum(key.startswith("arr_") for key in known)):
        wanted = known[f"arr_{number}"]
        array = next(a for a in found if a.size == wanted.size)
        assert np.abs(array.reshape(wanted.shape) - wanted).max() <= 1e-5


def check_two_inputs(server: ServeProcess, file: Path, name: str) -> None:
    import torch

    random = np.random.default_rng(4)
    arrays = [random.normal(size=(9, *spec["shape"][1:])).astype(np.float32)
              for spec in ask(server, f"/v2/models/{name}")["inputs"]]  # fmt: skip
    (found,) = infer(server, name, arrays)
    wanted = torch.export.load(file).module()(*map(torch.from_numpy, arrays)).detach().numpy()
    assert np.abs(found - wanted).max() <= 1e-5


def test_the_classes_of_a_zipped_map_are_kept(server: ServeProcess, shared_data: Path) -> None:
    name = upload(server, shared_data / "faults" / "models" / "sk_lr_zip.onnx")["model"]
    found = ask(server, f"/v2/models/{name}")
    assert found["parameters"]["classes"] == ["0", "1", "2"]
    answer = ask(server, "/predict", json.dumps({"model": name, "rows": [[0.1, 0.2, 0.3, 0.4]]}).encode())
    assert len(np.ravel(answer["scores"])) == 3
