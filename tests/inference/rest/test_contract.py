"""Smaller promises of the HTTP side: params of foreign models, links, numbers, feature columns over protobuf."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.inference.conversion.upload import convert_upload
from mlaas4hep.inference.rest.tfaas.messages import Predictions, Row
from mlaas4hep.inference.settings import Limits
from mlaas4hep.sandbox import confinement
from tests.support.live import Live
from tests.support.onnx_models import scorer

KEYS = "name model labels op input_name output_name img_channels options input_node output_node description timestamp"


def test_foreign_models_have_all_params(fresh: Live) -> None:
    content = {"model": ("model.onnx", scorer().SerializeToString())}
    sent = {"name": "plain", "params": json.dumps({"inputNode": "old", "description": "d"})}
    assert fresh.client.post("/upload", data=sent, files=content).status_code == 200
    found = fresh.client.get("/params/plain").json()
    assert {*KEYS.split(), "inputNode", "outputNode"} <= found.keys()
    assert (found["input_node"], found["inputNode"], found["description"]) == ("old", "old", "d")
    assert found["outputNode"] == found["output_node"] == found["output_name"] != ""
    assert found["timestamp"].startswith("20")
    assert fresh.client.get("/models").json() == [found]


def test_an_archive_holds_nothing_that_links_lead_to(fresh: Live, served: Live, tmp_path: Path) -> None:
    data = served.client.get("/download/small/1").content
    assert fresh.client.post("/upload", content=data).status_code == 200
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    folder = fresh.settings.repository / "small" / "1"
    (folder / "link.txt").symlink_to(tmp_path / "secret" / "file")
    (folder / "linked").symlink_to(tmp_path / "secret")
    packed = fresh.client.get("/download/small/1").content
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        names = tar.getnames()
    assert "small/manifest.json" in names
    assert not [name for name in names if "link" in name]


@pytest.mark.parametrize(
    ("value", "says"),
    [("1.5", "lists of numbers"), (1e300, "float32"), ({}, "lists of numbers"), ([1], "lists of numbers")],
)
def test_rows_are_numbers_of_float32(served: Live, value: Any, says: str) -> None:
    row = served_row(served)
    for place in ([row, [value, *row[1:]]], [[value, *row[1:]]]):
        answer = served.client.post("/json", json={"model": "small", "rows": place})
        assert answer.status_code == 400, answer.text
        assert says in answer.json()["error"]
    missing = served.client.post("/json", json={"model": "small", "rows": [[None, *row[1:]]]})
    assert missing.status_code == 200, missing.text


def test_feature_columns_by_their_names_in_protobuf(served: Live) -> None:
    columns = served.client.get("/api/models/small/metadata").json()["inputs"][0]["columns"]
    assert any(name.endswith("]") for name in columns)
    values = [0.5 * number for number in range(len(columns))]
    expected = served.client.post("/json", json={"model": "small", "keys": columns, "values": values}).json()
    answer = served.client.post("/proto", content=Row(key=columns, value=values, model="small").SerializeToString())
    assert answer.status_code == 200, answer.text
    scores = [entry.probability for entry in Predictions.FromString(answer.content).prediction]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_delete_wants_a_name(served: Live) -> None:
    answer = served.client.delete("/delete")
    assert answer.status_code == 400
    assert "name the model" in answer.json()["error"]


def test_without_a_sandbox_models_of_others_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(scorer().SerializeToString())
    monkeypatch.setattr(confinement, "method", lambda: "limits")
    with pytest.raises(ModelRefusedError, match="install bubblewrap") as caught:
        asyncio.run(convert_upload(source, tmp_path / "1", {}, Limits()))
    assert caught.value.status == 422
    assert not (tmp_path / "1").exists()
    asyncio.run(convert_upload(source, tmp_path / "1", {}, Limits(), unsandboxed=True))
    assert (tmp_path / "1" / "served.json").is_file()
    shutil.rmtree(tmp_path / "1")


def served_row(served: Live) -> list[float]:
    """A row of the model ``small``."""
    columns = served.client.get("/api/models/small/metadata").json()["inputs"][0]["columns"]
    return [0.5] * len(columns)
