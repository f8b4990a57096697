"""The clients against a real server on a real socket."""

from __future__ import annotations

import asyncio
import http.server
import inspect
import json
import os
import re
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest

from mlaas4hep.client import AsyncModelClient, ModelClient, ServerError
from mlaas4hep.client.events import body_of
from mlaas4hep.errors import ConfigError, FileReadError, OutputError
from tests.support.live import Live
from tests.support.onnx_models import reference, scorer, write
from tests.support.serving import make_bundle
from tests.support.toy import COLUMNS, FEATURES, RECORDS, toy_scores


@pytest.fixture
def client(live: Live) -> Iterator[ModelClient]:
    with ModelClient(live.url) as made:
        yield made


@pytest.fixture(scope="module")
def expected(bundle: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    return toy_scores(bundle)


def scorer_scores(matrix: np.ndarray[Any, Any]) -> Any:
    return reference(scorer(), {"features": matrix})["scores"]


def structured() -> Any:
    table = np.zeros(3, dtype=[("met", "f4"), ("charge", "i2"), ("Jet_pt", "O"), ("Jet_eta", "O")])
    for name, column in COLUMNS.items():
        for index, value in enumerate(column):
            table[name][index] = value
    return table


FORMS = {
    "records": RECORDS,
    "tuple of records": tuple(RECORDS),
    "records of numpy": [{name: np.array(value, np.float32) for name, value in event.items()} for event in RECORDS],
    "columns": COLUMNS,
    "columns of numpy": {
        "met": np.array(COLUMNS["met"], np.float64),
        "charge": np.array(COLUMNS["charge"], np.int8),
        "Jet_pt": [np.array(jets, np.float32) for jets in COLUMNS["Jet_pt"]],
        "Jet_eta": ak.Array(COLUMNS["Jet_eta"]),
    },
    "awkward": ak.Array(RECORDS),
    "awkward, other order": ak.Array(RECORDS)[["Jet_eta", "charge", "met", "Jet_pt"]],
    "structured": structured(),
    "matrix": FEATURES,
    "matrix of doubles, not contiguous": np.asfortranarray(FEATURES.astype(np.float64)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", ["toy", None])
def test_every_form_of_events(
    client: ModelClient, expected: np.ndarray[Any, Any], form: str, model: str | None
) -> None:
    scores = client.predict(FORMS[form], model)
    assert (scores.dtype, scores.shape) == (np.float32, (3, 1))
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_pandas(client: ModelClient, expected: np.ndarray[Any, Any]) -> None:
    pandas = pytest.importorskip("pandas")
    np.testing.assert_allclose(client.predict(pandas.DataFrame(COLUMNS), "toy"), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["object", "Float64", "float64", "double[pyarrow]"])
def test_missing_values_of_pandas(
    client: ModelClient, bundle: Path, dtype: str, expected: np.ndarray[Any, Any]
) -> None:
    pandas = pytest.importorskip("pandas")
    features = FEATURES.copy()
    features[0, 0] = np.nan
    frame = pandas.DataFrame(COLUMNS)
    frame["met"] = pandas.Series([pandas.NA if dtype != "float64" else None, *COLUMNS["met"][1:]], dtype=dtype)
    scores = client.predict(frame, "toy")
    np.testing.assert_allclose(scores, toy_scores(bundle, features), rtol=1e-6)
    np.testing.assert_allclose(scores[1:], expected[1:], rtol=1e-6)
    records = frame.to_dict("records")
    np.testing.assert_allclose(client.predict(records, "toy"), scores, rtol=1e-6)


def test_an_arrow_table_with_nulls_and_decimals(client: ModelClient, bundle: Path) -> None:
    features = FEATURES.copy()
    features[0, 0] = np.nan
    columns = {name: list(values) for name, values in COLUMNS.items()}
    columns["met"] = [None, *(Decimal(str(value)) for value in COLUMNS["met"][1:])]
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    assert pa.types.is_decimal(table.schema.field("met").type)
    np.testing.assert_allclose(client.predict(table, "toy"), toy_scores(bundle, features), rtol=1e-6)


def test_what_does_not_equal_itself_is_missing() -> None:
    class Unknown:
        """As pandas' NA: a comparison with it is unknown too."""

        def __ne__(self, other: object) -> Any:
            return self

        def __bool__(self) -> bool:
            raise TypeError("the truth of NA is not known")

        __hash__ = None  # type: ignore[assignment]

    body = body_of({"events": [{"a": Unknown(), "b": [np.datetime64("NaT"), float("nan"), Decimal("NaN")], "c": "x"}]})
    assert json.loads(body) == {"events": [{"a": None, "b": [None, None, None], "c": "x"}]}


def test_a_closed_client_says_so(live: Live) -> None:
    closed = ModelClient(live.url)
    closed.close()
    for call in (lambda: closed.predict(RECORDS, "toy"), closed.models, lambda: closed.download("toy", Path("x"))):
        with pytest.raises(ConfigError, match="the client is closed; make another one"):
            call()

    async def later() -> None:
        client = AsyncModelClient(live.url)
        await client.close()
        with pytest.raises(ConfigError, match="the client is closed; make another one"):
            await client.models()

    asyncio.run(later())


@pytest.mark.parametrize("missing", [None, np.nan, np.inf, np.float32(np.nan)])
def test_missing_values(client: ModelClient, bundle: Path, missing: Any) -> None:
    features = FEATURES.copy()
    features[0, 0] = features[0, 3] = np.nan
    events = [{**RECORDS[0], "met": missing, "Jet_pt": [50.0, missing]}, *RECORDS[1:]]
    np.testing.assert_allclose(client.predict(events, "toy"), toy_scores(bundle, features), rtol=1e-6)


@pytest.mark.parametrize("rows", [999, 1000, 5000])
def test_large_matrices_travel_as_bytes_with_the_same_result(client: ModelClient, bundle: Path, rows: int) -> None:
    matrix = np.random.default_rng(rows).normal(50, 20, (rows, 8)).astype(np.float32)
    matrix[::7, 3:5] = np.nan
    np.testing.assert_allclose(client.predict(matrix, "toy"), toy_scores(bundle, matrix), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rows", [3, 2000])
def test_a_model_of_somebody_else_takes_a_matrix(client: ModelClient, rows: int) -> None:
    matrix = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
    np.testing.assert_allclose(client.predict(matrix, "scorer", "1"), scorer_scores(matrix), rtol=1e-5, atol=1e-6)


def test_one_row_in_tfaas_form(client: ModelClient, expected: np.ndarray[Any, Any]) -> None:
    keys = ["Jet_eta", "met", "Jet_pt", "charge"]
    values = [np.array([1.0, -2.0]), np.float32(40), [50.0, 40.5], 1]
    for model, version in ((None, ""), ("toy", "latest")):
        np.testing.assert_allclose(client.predict_row(keys, values, model, version), expected[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("events", "model", "status", "words"),
    [
        ([{**RECORDS[0], "Jet_pT": []}], "toy", 400, "keys are unknown: Jet_pT"),
        ([{"met": 1.0}], "toy", 400, "keys are missing: charge, Jet_pt, Jet_eta"),
        ({**COLUMNS, "met": [1.0, 2.0]}, "toy", 400, "met has 2 events"),
        (RECORDS, "nothing", 404, "there is no model nothing"),
        (FEATURES[:, :5], "toy", 400, "5"),
        (RECORDS, "to/y?a#b", 404, "no model"),
    ],
)
def test_refusals_carry_the_status_and_the_reason(
    client: ModelClient, events: Any, model: str, status: int, words: str
) -> None:
    with pytest.raises(ServerError, match=re.escape(words)) as caught:
        client.predict(events, model)
    assert caught.value.status == status
    assert str(caught.value).count("\n") == 0
    assert f"(status {status})" in str(caught.value)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (3, "events of type int are not understood"),
        ("met", "events of type str are not understood"),
        (np.zeros(4), r"an array of shape \(4,\) is not a matrix"),
        ({"met": 3.0}, "met: a float where a column .* one event is a list of one dict"),
        ({"met": "abc"}, "met: a str where a column"),
        ({"met": np.float32(3.0)}, "met: a float where a column"),
        ([{"met": object()}], "cannot be written as JSON .*object"),
    ],
)
def test_events_that_are_none(client: ModelClient, events: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        client.predict(events, "toy")


def test_the_life_of_a_model(client: ModelClient, tmp_path: Path) -> None:
    made = client.upload(make_bundle(tmp_path / "other.tar.gz", name="other", seed=3))
    assert (made["model"], made["version"], made["state"]) == ("other", "1", "READY")
    assert client.upload(tmp_path / "other.tar.gz", "other", "7")["version"] == "7"
    assert client.metadata("other", "1")["branches"] == {
        "met": "flat",
        "charge": "flat",
        "Jet_pt": "jagged",
        "Jet_eta": "jagged",
    }
    client.label("other", "stable", "1")
    [entry] = [model for model in client.models() if model["name"] == "other"]
    assert {version["version"]: version["labels"] for version in entry["versions"]} == {
        "1": ["stable"],
        "7": ["latest"],
    }
    client.label("other", "canary", "7")
    changed = client.configure("other", {"canary": 10, "batching": {"max_size": 64, "max_delay_ms": 2}})
    assert (changed["canary"], changed["batching"]["max_size"]) == (10, 64)
    assert client.predict(RECORDS, "other", "stable").shape == (3, 1)
    client.unload("other", "7")
    with pytest.raises(ServerError) as caught:
        client.predict(RECORDS, "other", "7")
    assert caught.value.status == 503
    assert client.load("other", "7")["state"] == "READY"
    assert {params["name"] for params in client.params()} == {"other", "scorer", "toy"}
    client.label("other", "canary", None)
    client.delete("other", "7")
    assert client.metadata("other")["version"] == "1"
    client.delete("other")
    with pytest.raises(ServerError) as caught:
        client.metadata("other")
    assert caught.value.status == 404


def test_download_is_a_bundle_again(client: ModelClient, bundle: Path, tmp_path: Path) -> None:
    place = client.download("toy", tmp_path / "toy.tar.gz")
    with tarfile.open(place) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
        member = tar.extractfile("toy/model.onnx")
        assert member is not None
        assert member.read() == (bundle / "model.onnx").read_bytes()
    assert {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()} <= names
    assert client.upload(place, "again")["model"] == "again"
    client.delete("again")


def test_a_failed_download_leaves_nothing(client: ModelClient, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="status 404"):
        client.download("nothing", tmp_path / "nothing.tar.gz")
    with pytest.raises(OutputError, match="cannot be written"):
        client.download("toy", tmp_path / "no" / "folder.tar.gz")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_download_to_a_pipe_leaves_the_pipe(client: ModelClient, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        client.download("toy", pipe)
        assert read.result(30).startswith(b"\x1f\x8b")
    assert pipe.is_fifo()
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_model_of_another_framework_as_a_file(client: ModelClient, tmp_path: Path) -> None:
    made = client.upload(write(scorer(), tmp_path / "network.onnx"))
    assert (made["model"], made["state"]) == ("network", "READY")
    matrix = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(client.predict(matrix, "network"), scorer_scores(matrix), rtol=1e-5)
    client.delete("network")


def test_uploads_that_cannot_be(client: ModelClient, tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match=r"none\.tar\.gz: no such file"):
        client.upload(tmp_path / "none.tar.gz")
    with pytest.raises(FileReadError, match="is a folder, not a file; pack it first"):
        client.upload(tmp_path)
    with pytest.raises(FileReadError, match="look at 'model'"):
        client.upload_parts({"name": "x", "model": "gone.onnx"}, tmp_path)
    (tmp_path / "bad.tar.gz").write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(ServerError) as caught:
        client.upload(tmp_path / "bad.tar.gz")
    assert 400 <= caught.value.status < 500


def test_status(client: ModelClient) -> None:
    assert client.status()["memory"]["process"] > 0


def test_awaited_client_with_many_calls_at_a_time(live: Live, expected: np.ndarray[Any, Any], tmp_path: Path) -> None:
    async def work() -> None:
        async with AsyncModelClient(live.url) as client:
            calls = [client.predict([RECORDS[i % 3]] * (1 + i % 4), "toy") for i in range(400)]
            for i, scores in enumerate(await asyncio.gather(*calls)):
                np.testing.assert_allclose(scores, expected[[i % 3] * (1 + i % 4)], rtol=1e-6)
            row = await client.predict_row(list(RECORDS[0]), list(RECORDS[0].values()))
            np.testing.assert_allclose(row, expected[0], rtol=1e-6)
            wide = np.repeat(FEATURES, 500, axis=0)
            np.testing.assert_allclose(await client.predict(wide, "toy"), np.repeat(expected, 500, axis=0), rtol=1e-6)
            made = await client.upload(make_bundle(tmp_path / "late.tar.gz", name="late"))
            assert made["state"] == "READY"
            await client.label("late", "stable", "1")
            await client.configure("late", {"batching": {"max_size": 8}})
            assert (await client.metadata("late"))["labels"] == ["latest", "stable"]
            place = await client.download("late", tmp_path / "copy.tar.gz")
            assert tarfile.is_tarfile(place)
            await client.unload("late")
            assert (await client.load("late"))["state"] == "READY"
            assert "late" in {params["name"] for params in await client.params()}
            assert "late" in {model["name"] for model in await client.models()}
            await client.delete("late")
            with pytest.raises(ServerError, match="no model late"):
                await client.predict(RECORDS, "late")
            with pytest.raises(ServerError, match="status 404"):
                await client.download("late", tmp_path / "late-again.tar.gz")
            assert (await client.status())["uptime"] > 0

    asyncio.run(work())


def test_both_clients_have_the_same_methods_and_arguments() -> None:
    def methods(kind: type) -> dict[str, list[inspect.Parameter]]:
        names = ["__init__", *(name for name in dir(kind) if not name.startswith("_"))]
        return {name: list(inspect.signature(getattr(kind, name)).parameters.values()) for name in names}

    assert methods(ModelClient) == methods(AsyncModelClient)


class _Other(http.server.BaseHTTPRequestHandler):
    """Another kind of server: an HTML page for everything, and a plain refusal for images."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b"<html>hello</html>"
        self.send_response(502 if self.path.endswith("/image") else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_another_server_and_none_at_all(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with ModelClient(url) as client:
            with pytest.raises(ServerError, match="not that of an inference server; is the URL right"):
                client.models()
            with pytest.raises(ServerError, match="not that of an inference server"):
                client.predict(RECORDS)
            (tmp_path / "a.png").write_bytes(b"png")
            with pytest.raises(ServerError, match=r"Bad Gateway \(status 502\)"):
                client.predict_image(tmp_path / "a.png", "x")
            with pytest.raises(FileReadError, match=r"b\.png: no such file"):
                client.predict_image(tmp_path / "b.png", "x")
        server.shutdown()
    with ModelClient(url) as client, pytest.raises(ServerError, match=r"no answer .*is the server running") as caught:
        client.models()
    assert caught.value.status == 0


def test_tfaas_form_from_upload_json(client: ModelClient, tmp_path: Path) -> None:
    write(scorer(), tmp_path / "model.onnx")
    (tmp_path / "labels.txt").write_text("background\nsignal\n")
    (tmp_path / "params.json").write_text(json.dumps({"name": "form", "model": "model.onnx", "labels": "labels.txt"}))
    description = {"name": "form", "params": "params.json", "model": "model.onnx", "labels": "labels.txt"}
    assert client.upload_parts(description, tmp_path)["model"] == "form"
    row = client.predict_row(["a", "b", "c"], [1, 0, 0], "form")
    np.testing.assert_allclose(row, scorer_scores(np.eye(3, dtype=np.float32))[0], rtol=1e-5)
    client.delete("form")
