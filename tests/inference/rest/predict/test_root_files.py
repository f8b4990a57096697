"""Scores of whole files over HTTP, against `predict_files`."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from mlaas4hep.bundle import load_bundle
from mlaas4hep.config import Reading
from mlaas4hep.errors.serving import BadRequestError, ForbiddenError
from mlaas4hep.inference.rest.predict.root_urls import allowed_url
from mlaas4hep.inference.settings import Limits, Settings
from mlaas4hep.prediction.predict import predict_files
from mlaas4hep.streaming.monitor import Collector
from tests.support.live import Live, live_server
from tests.support.serve_process import ServeProcess
from tests.support.trained import Small

PREFIXES = ("root://host//store", "https://host/data/", "/data")


def columns(answer: httpx.Response) -> dict[str, Any]:
    """What is in the file of an answer."""
    assert answer.status_code == 200, answer.text
    with uproot.open(io.BytesIO(answer.content)) as file:
        return dict(file["scores"].arrays(library="np"))


@pytest.fixture(scope="module")
def expected(small: Small, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `mlaas4hep predict` writes for signal.root."""
    path = tmp_path_factory.mktemp("expected") / "scores.root"
    with load_bundle(small.bundle) as bundle:
        predict_files(bundle, [str(small.paths["signal"])], path, Collector(), reading=Reading())
    with uproot.open(path) as file:
        return dict(file["scores"].arrays(library="np"))


def test_a_file_goes_in_and_its_scores_come_out(served: Live, small: Small, expected: dict[str, Any]) -> None:
    content = small.paths["signal"].read_bytes()
    answer = served.client.post("/predict/root", content=content, params={"model": "small", "version": "latest"})
    found = columns(answer)
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)
    assert answer.headers["x-entries"] == str(len(expected["entry"]))
    assert answer.headers["content-disposition"] == 'attachment; filename="scores-small-1.root"'
    assert sorted(path.name for path in served.settings.repository.iterdir()) in (["small"], [".lock", "small"])


def test_a_url_in_json_and_parquet_out(served: Live, small: Small, expected: dict[str, Any]) -> None:
    answer = served.client.post("/predict/root", json={"url": str(small.paths["signal"]), "format": "parquet"})
    assert answer.status_code == 200, answer.text
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column_names == list(expected)
    np.testing.assert_allclose(table["score"].to_numpy(), expected["score"], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ({"content": b""}, 400, "the body is not a ROOT file"),
        ({"content": b"PAR1"}, 400, "the body is not a ROOT file"),
        ({"content": b"root", "params": {"model": "other"}}, 404, "other"),
        ({"content": b"root", "params": {"format": "csv"}}, 400, "there is no format 'csv'"),
        ({"files": {"other": ("f", b"root")}}, 400, "the form has no file called file"),
        ({"json": {}}, 400, "the body must hold the url of a file"),
        ({"json": {"url": 5}}, 400, "the body must hold the url of a file"),
        ({"json": {"url": "/etc/passwd"}}, 403, "this server does not read files from there"),
        ({"json": {"url": "root://elsewhere//x.root"}}, 403, "this server does not read files from there"),
    ],
)
def test_mistakes_are_named(served: Live, options: dict[str, Any], status: int, says: str) -> None:
    answer = served.client.post("/predict/root", **options)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]


@pytest.mark.parametrize("keep", [4, 300, 5000])
def test_damaged_files_are_the_clients_mistake(served: Live, small: Small, keep: int) -> None:
    answer = served.client.post("/predict/root", content=small.paths["signal"].read_bytes()[:keep])
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert "input.root" in error
    assert str(served.settings.repository) not in error


def test_a_file_without_the_tree_is_named(served: Live, small: Small) -> None:
    content = small.paths["signal"].read_bytes()
    answer = served.client.post("/predict/root", files={"file": ("f.root", content)}, data={"tree": "Nothing"})
    assert answer.status_code == 400, answer.text
    assert "Nothing" in answer.json()["error"]


def test_what_takes_too_long_is_ended(small: Small, tmp_path: Path, served: Live) -> None:
    settings = Settings(repository=tmp_path, limits=Limits(conversion_timeout=0.05))
    with live_server(settings) as live:
        tar = served.client.get("/download/small/1").content
        assert live.client.post("/upload", content=tar).status_code == 200
        answer = live.client.post("/predict/root", content=small.paths["signal"].read_bytes())
        assert (answer.status_code, answer.json()["error"]) == (504, "the file was not scored within 0.05 s")
        assert live.client.get("/api/models").status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "root://host//store/a.root",
        "root://host//store",
        "https://host/data/a%20b.root",
        "/data/a..b/x.root",
    ],
)
def test_urls_below_a_prefix_are_allowed(url: str) -> None:
    assert allowed_url(url, PREFIXES) == url


@pytest.mark.parametrize(
    "url",
    [
        "root://host//storage/a.root",
        "root://host//store/../x.root",
        "https://host/data/%2e%2e/x.root",
        "https://host/data/%252e%252e/x.root",
        "https://host/data/..\\x.root",
        "https://host",
        "https://host.evil/data/x.root",
        "https://host@evil/data/x.root",
        "/data2/x.root",
        "file:///data/x.root",
    ],
)
def test_urls_elsewhere_are_forbidden(url: str) -> None:
    with pytest.raises(ForbiddenError, match="this server does not read files from there"):
        allowed_url(url, PREFIXES)
    with pytest.raises(ForbiddenError):
        allowed_url(url, ())


@pytest.mark.parametrize("url", [None, "", 5, [], "a\nb", "a\0b", "x" * 5000])
def test_what_is_no_url_is_refused(url: object) -> None:
    with pytest.raises(BadRequestError, match="the body must hold the url of a file"):
        allowed_url(url, PREFIXES)


def test_a_repository_named_relative_to_the_working_folder(
    small: Small, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "small").mkdir(parents=True)
    shutil.copytree(small.bundle, tmp_path / "models" / "small" / "1")
    monkeypatch.chdir(tmp_path)
    with live_server(Settings(repository=Path("models"))) as live:
        found = columns(live.client.post("/predict/root", content=small.paths["signal"].read_bytes()))
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-6)


def test_a_file_counts_as_a_prediction(small: Small, tmp_path: Path) -> None:
    shutil.copytree(small.bundle, tmp_path / "models" / "small" / "1")
    serving = ServeProcess(tmp_path / "server", tmp_path / "models")
    content = small.paths["signal"].read_bytes()
    with httpx.Client(base_url=serving.url, timeout=60) as client:
        answer = client.post("/predict/root", content=content, params={"model": "small"})
        assert answer.status_code == 200, answer.text
        entries = int(answer.headers["x-entries"])
        assert client.post("/predict/root", content=b"rootless", params={"model": "small"}).status_code == 400
        assert client.post("/predict/root", content=b"root", params={"model": "nobody"}).status_code == 404
        (found,) = client.get("/v2/models/small/stats").json()["model_stats"]
        text = client.get("/metrics").text
    serving.stop()
    assert found["inference_count"] == entries
    assert [found["inference_stats"][outcome]["count"] for outcome in ("success", "fail")] == [1, 1]
    for line in (
        f'mlaas4hep_model_rows_total{{model="small",version="1"}} {entries}',
        'mlaas4hep_prediction_seconds_count{model="small",version="1"} 1',
        'mlaas4hep_prediction_failures_total{model="small",version="1",error="BadRequestError"} 1',
        'mlaas4hep_prediction_failures_total{model="",version="",error="ModelNotFoundError"} 1',
    ):
        assert line in text.splitlines()
