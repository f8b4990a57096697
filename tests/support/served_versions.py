"""Versions of one model, each with answers of its own, so that an answer shows that it is right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlaas4hep.atomic.owners import is_work
from mlaas4hep.inference.repository.scan import Scanner
from mlaas4hep.inference.repository.store import Store
from tests.support.serving import make_bundle

__all__ = ["MODEL", "Versions", "assert_whole"]

MODEL = "toy"
ROWS = 16
WIDTH = 8


@dataclass
class Versions:
    """Bundles of the model, version v made with seed v.

    Attributes:
        folder: where they lie, as folders and as tar.gz.
        bodies: requests of one row each.
        expected: scores of the rows by version, of ONNX Runtime called directly.
    """

    folder: Path
    bodies: list[bytes]
    expected: dict[str, NDArray[np.float32]]

    @classmethod
    def make(cls, folder: Path, number: int) -> Versions:
        """Versions 1 to `number`."""
        rows = np.random.default_rng(7).normal(50, 20, (ROWS, WIDTH)).astype(np.float32)
        expected = {}
        for version in range(1, number + 1):
            made = make_bundle(folder / str(version), name=MODEL, seed=version)
            make_bundle(folder / f"{version}.tar.gz", name=MODEL, seed=version)
            session = onnxruntime.InferenceSession(made / "model.onnx")
            expected[str(version)] = np.asarray(session.run(["scores"], {"features": rows})[0])
        bodies = [json.dumps({"model": MODEL, "rows": [row]}).encode() for row in rows.tolist()]
        return cls(folder, bodies, expected)

    def archive(self, version: int) -> bytes:
        return (self.folder / f"{version}.tar.gz").read_bytes()

    def right(self, status: int, number: int, answer: Any) -> bool:
        """Whether an answer is that of the version it names."""
        if status != 200:
            return False
        scores = self.expected[answer["version"]][number]
        return bool(np.allclose(answer["scores"], scores[None], rtol=1e-5, atol=1e-6))


def assert_whole(root: Path, url: str, versions: Versions, must: set[str], may: set[str]) -> None:
    """The repository of a server that was killed and started again: nothing is half there, nothing confirmed is lost.

    Args:
        root: of the repository.
        url: of the server.
        versions: that can be there.
        must: versions that have to be there.
        may: versions that can be there or not.
    """
    assert [path for path in (*root.iterdir(), *root.glob("*/*")) if is_work(path.name)] == []
    scanner = Scanner(Store(root))
    scanner.all()
    entry = scanner.all()[MODEL]
    there = {path.name for path in (root / MODEL).iterdir() if path.is_dir()}
    assert must <= there <= must | may
    assert set(entry.versions) == there
    assert {version.problem for version in entry.versions.values()} == {""}
    listed = httpx.get(f"{url}/api/models").json()["models"]
    assert [model["name"] for model in listed] == [MODEL]
    assert {version["version"] for version in listed[0]["versions"]} == there
    assert not [version for version in listed[0]["versions"] if version["state"] == "FAILED"]
    for version in there:
        loaded = httpx.post(f"{url}/api/models/{MODEL}/versions/{version}/load")  # an unload outlives its server
        assert loaded.json()["state"] == "READY", loaded.text
        for number, body in enumerate(versions.bodies[:2]):
            asked = json.dumps({**json.loads(body), "version": version}).encode()
            answer = httpx.post(f"{url}/predict", content=asked)
            assert answer.status_code == 200, answer.text
            assert answer.json()["version"] == version
            assert versions.right(200, number, answer.json())
