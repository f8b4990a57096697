"""Every request that the client makes is in the server's table."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.client import calls
from tests.support.table import table


def requests(file: Path) -> dict[str, list[calls.Call]]:
    """The calls of each function that makes one."""
    tensor = {"name": "x", "dtype": "float32", "shape": [-1, 2], "columns": []}
    described = {"branches": {}, "inputs": [tensor], "outputs": [{**tensor, "name": "scores"}]}
    rows = np.zeros((3, 2), np.float32)
    versions = ("", "1")
    return {
        "predict": [calls.predict(rows, "m", v, d) for v in versions for d in (None, described)],
        "row": [calls.row(["a"], [1.0], None, "")],
        "image": [calls.image(file, "m")],
        "params": [calls.params()],
        "upload_parts": [calls.upload_parts({"name": "m", "model": file.name}, file.parent)],
        "models": [calls.models()],
        "metadata": [calls.metadata("m", v) for v in versions],
        "upload": [calls.upload(file, "m", "")],
        "delete": [calls.delete("m", v) for v in versions],
        "act": [calls.act("m", v, action) for v in versions for action in ("load", "unload")],
        "label": [calls.label("m", "stable", v) for v in (None, "1")],
        "configure": [calls.configure("m", {"canary": 1})],
        "download": [calls.download("m", v) for v in versions],
        "status": [calls.status()],
    }


def test_every_path_is_in_the_table(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"1")
    made = requests(file)
    makers = {name for name, one in inspect.getmembers(calls, inspect.isfunction) if _makes_a_call(one)}
    assert set(made) == makers
    routes = table()
    found = [routes.find(call.method, call.path) for some in made.values() for call in some]
    assert all(one.call is not None for one in found)
    assert "/v2/models/{model}/versions/{version}/infer" in {one.template for one in found}


def _makes_a_call(function: object) -> bool:
    return inspect.isfunction(function) and function.__annotations__.get("return") == "Call"


@pytest.mark.parametrize("name", ["a/b", "a?b", "ä"])
def test_odd_names_stay_one_segment(name: str) -> None:
    path = calls.metadata(name, "").path
    assert path.isascii()
    assert path.count("/") == 4
