"""A model of `mlaas4hep resnet` goes up to a server process, whose ``/image`` answers what Keras gives by itself."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import keras
import numpy as np
import pytest
from PIL import Image

from tests.support.cli import run
from tests.support.serve_process import ServeProcess, eventually
from tests.support.tracks import CLASSES, draw_tracks, track


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model was written."""
    folder = tmp_path_factory.mktemp("resnet")
    draw_tracks(folder, 160)
    small = ("--blocks", 1, "--filters", 16, "--learning-rate", 3e-3, "--epochs", 4, "--name", "tracks")
    given = ("--fdir", folder / "images", "--flabels", folder / "labels.csv", "--mdir", folder / "models")
    outcome = run("resnet", *given, *small)
    assert outcome.code == 0, outcome.err
    return folder / "models"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """A server without models."""
    root = tmp_path_factory.mktemp("server")
    serving = ServeProcess(root, root / "models")
    yield serving
    serving.stop()


def check(url: str, models: Path) -> None:
    """Answers for pictures of all kinds against Keras."""
    network = keras.saving.load_model(models / "tracks" / "model.keras")
    rng = np.random.default_rng(77)
    right = 0
    for number in range(20):
        kind = CLASSES[number % 2]
        picture = Image.fromarray(track(rng, kind))
        if number % 5 == 4:
            picture = picture.resize((40, 30))
        content = io.BytesIO()
        picture.save(content, "PNG" if number % 3 else "JPEG")
        given = {"image": ("event", content.getvalue())}
        answer = httpx.post(f"{url}/image", data={"model": "tracks"}, files=given, timeout=60)
        assert answer.status_code == 200, answer.text
        labels = {entry["label"]: entry["probability"] for entry in answer.json()["labels"]}
        decoded = Image.open(io.BytesIO(content.getvalue())).convert("L")
        if decoded.size != (16, 16):
            decoded = decoded.resize((16, 16), Image.Resampling.BILINEAR)
        pixels = np.asarray(decoded, dtype=np.float32)[np.newaxis, :, :, np.newaxis] / np.float32(255)
        expected = np.asarray(network(pixels))[0]
        assert labels == pytest.approx(dict(zip(CLASSES, expected.tolist(), strict=True)), abs=1e-5)
        right += next(iter(labels)) == kind
    assert right >= 16


def test_uploaded(server: ServeProcess, models: Path) -> None:
    outcome = run("models", "upload", models / "tracks.tar.gz", "--url", server.url)
    assert outcome.code == 0, outcome.err
    check(server.url, models)


def described(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/params/tracks", timeout=30).json()
    return found


def test_what_the_server_knows(server: ServeProcess, models: Path) -> None:
    written = json.loads((models / "tracks" / "params.json").read_text())
    found = described(server.url)
    assert {key: found[key] for key in written} == written


def test_the_folder_of_models_can_be_served_as_it_is(models: Path, tmp_path: Path) -> None:
    serving = ServeProcess(tmp_path, models)
    try:
        eventually(lambda: httpx.get(f"{serving.url}/v2/models/tracks/ready", timeout=30).status_code == 200)
        check(serving.url, models)
    finally:
        serving.stop()
