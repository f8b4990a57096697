"""TFaaS's calls, against the scores that `predict_files` writes for the same events."""

from __future__ import annotations

import io
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import uproot
from numpy.typing import NDArray
from PIL import Image

from mlaas4hep.bundle import load_bundle
from mlaas4hep.config import Reading
from mlaas4hep.inference.rest.tfaas.messages import DataFrame, Predictions, Row
from mlaas4hep.prediction.predict import predict_files
from mlaas4hep.streaming.monitor import Collector
from tests.support.live import Live
from tests.support.trained import Small
from tests.support.written import Event, write_ttree

HUGE = b'{"keys": ["a"], "values": [1' + b"0" * 400 + b"]}"
KINDS = {"Jet_eta": "jagged", "Jet_pt": "jagged", "cells": "jagged", "charge": "flat", "flag": "flat", "met": "flat"}


@pytest.fixture(scope="module")
def expected(small: Small, events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float64]:
    """Scores of the events as `mlaas4hep predict` writes them; NaN for those that do not pass the cuts."""
    folder = tmp_path_factory.mktemp("expected")
    path = write_ttree(folder / "events.root", events)
    with load_bundle(small.bundle) as bundle:
        predict_files(bundle, [str(path)], folder / "scores.root", Collector(), reading=Reading())
    with uproot.open(folder / "scores.root") as file:
        return np.asarray(file["scores"]["score"].array(library="np"), dtype=np.float64)


def json_value(value: Any) -> Any:
    """A value as JSON can have it: what is missing is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def finite(event: Event) -> bool:
    """JSON has no infinity."""
    return not any(isinstance(event[name], float) and math.isinf(event[name]) for name in KINDS)


def same(found: NDArray[np.float64], expected: NDArray[np.float64], events: list[Event]) -> int:
    """Compare the scores of events that passed the cuts; how many."""
    chosen = [i for i, event in enumerate(events) if finite(event) and not np.isnan(expected[i])]
    np.testing.assert_allclose(found[chosen], expected[chosen], atol=1e-6)
    return len(chosen)


@pytest.mark.parametrize("path", ["/json", "/predict/json", "/predict"])
def test_keys_and_values_in_any_order(
    served: Live, events: list[Event], expected: NDArray[np.float64], path: str
) -> None:
    shuffle = random.Random(3)
    found = np.empty(len(events))
    for i, event in enumerate(events):
        keys = shuffle.sample(list(KINDS), len(KINDS))
        answer = served.client.post(
            path, json={"model": "small", "keys": keys, "values": [json_value(event[key]) for key in keys]}
        )
        assert answer.status_code == 200, answer.text
        (found[i],) = answer.json()
    assert same(found, expected, events) > 10


def test_events_as_records_and_columns(served: Live, events: list[Event], expected: NDArray[np.float64]) -> None:
    records = [{name: json_value(event[name]) for name in KINDS} for event in events]
    columns = {name: [event[name] for event in records] for name in KINDS}
    for body in ({"events": records}, {"columns": columns}):
        answer = served.client.post("/json", json={"model": "small", **body}).json()
        assert (answer["classes"], answer["model"], answer["version"]) == (["signal"], "small", "1")
        assert same(np.array(answer["scores"])[:, 0], expected, events) > 10


def test_infinity_as_python_writes_it(served: Live, events: list[Event], expected: NDArray[np.float64]) -> None:
    records = [{name: event[name] for name in KINDS} for event in events]
    found = served.client.post("/json", content=json.dumps({"events": records})).json()
    chosen = ~np.isnan(expected)
    np.testing.assert_allclose(np.array(found["scores"])[chosen, 0], expected[chosen], atol=1e-6)


def row_of(event: Event) -> Any:
    """A row of protobuf: entries of jagged branches one by one."""
    row = Row(model="small")
    for name, kind in KINDS.items():
        values = [event[name]] if kind == "flat" else event[name] or [math.nan]
        for i, value in enumerate(values):
            row.key.append(name if kind == "flat" else f"{name}[{i}]")
            row.value.append(value)
    return row


@pytest.mark.parametrize("path", ["/proto", "/predict/proto"])
def test_protobuf_row_and_frame(served: Live, events: list[Event], expected: NDArray[np.float64], path: str) -> None:
    rows = [row_of(event) for event in events]
    answer = served.client.post(path, content=DataFrame(row=rows).SerializeToString())
    assert answer.status_code == 200, answer.text
    predictions = Predictions.FromString(answer.content).prediction
    assert {one.label for one in predictions} == {"signal"}
    assert same(np.array([one.probability for one in predictions]), expected, events) > 10
    alone = served.client.post(path, content=rows[0].SerializeToString(), params={"version": "latest"})
    assert Predictions.FromString(alone.content).prediction[0] == predictions[0]


def test_a_request_without_a_model_goes_to_the_only_one(served: Live) -> None:
    body = served.client.get("/api/models/small/metadata").json()["example"]
    named = served.client.post("/json", json=body)
    assert named.status_code == 200, named.text
    del body["model"]
    assert served.client.post("/json", json=body).json() == named.json()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"keys": ["met"], "values": [1]}, 400, "keys are missing: Jet_eta, Jet_pt, cells, charge, flag"),
        ({"keys": ["met", "met"], "values": [1, 2]}, 400, "keys are given more than once: met"),
        ({"keys": ["met"], "values": [1, 2]}, 400, "1 keys and 2 values"),
        ({"keys": "met", "values": [1]}, 400, "keys and values must be lists"),
        ({"keys": ["met"]}, 400, "keys and values must be lists"),
        ({"keys": [["met"]], "values": [1]}, 400, "a key is not a string"),
        ({"keys": [{}], "values": [1]}, 400, "a key is not a string"),
        ({"keys": [None], "values": [1]}, 400, "keys are missing"),
        ({"keys": ["met"], "values": [1], "model": "other"}, 404, "other"),
        ({"keys": ["met"], "values": [1], "model": 5}, 400, "model must be a string"),
        ({"keys": ["met"], "values": [1], "version": "99"}, 404, "99"),
        ({"keys": ["met"], "values": [1], "version": []}, 400, "version must be a string or a whole number"),
        ({}, 400, "the body holds no event"),
        ({"values": [1]}, 400, "1 values are given, the model takes"),
        ({"values": [1], "model": None}, 400, "there are values without keys; give the keys, or name the model"),
        ({"values": 1}, 400, "values must be a list"),
        ({"values": [[1]]}, 400, "values must be lists of numbers"),
        ({"values": [1], "value": [2]}, 400, "values and value are two names of one thing, and differ"),
        ({"name": "other", "values": [1]}, 400, "model and name are two names of one thing, and differ"),
        ({"keys": [], "events": []}, 400, "the body holds keys and events"),
        ({"events": {}}, 400, "events must be a list of objects"),
        ({"events": [1]}, 400, "event 0: 1 where an object"),
        ({"events": [{}] * 1001}, 413, "1001 rows are given, at most 1000"),
        ({"events": [{str(i): 0 for i in range(1001)}]}, 413, "1001 keys are given, at most 1000"),
        ({"columns": {}}, 400, "columns must be an object of lists, at least one"),
        ({"columns": []}, 400, "columns must be an object of lists, at least one"),
        ({"columns": {"met": 1}}, 400, "keys are missing"),
        ({"columns": {"met": []}}, 400, "keys are missing"),
        ({"columns": {"met": [1], "charge": [1, 2]}}, 400, "keys are missing"),
        ({"columns": {"met": [1] * 1001}}, 413, "1001 rows are given, at most 1000"),
        ({"columns": {str(i): [0] for i in range(1001)}}, 413, "1001 keys are given, at most 1000"),
        ({"rows": [1]}, 400, "rows must be a list of lists of numbers"),
        ({"rows": [[1], [1, 2]]}, 400, "rows must be lists of numbers, all of one length"),
        ({"rows": [["a"]]}, 400, "rows must be lists of numbers, all of one length"),
        ({"rows": [[[1]]]}, 400, "rows must be lists of numbers, all of one length"),
        ({"rows": [[{}]]}, 400, "rows must be lists of numbers, all of one length"),
        ({"rows": [[1]]}, 400, ""),
        ({"rows": [[]]}, 400, ""),
        ({"rows": [[1]] * 1001}, 413, "1001 rows are given, at most 1000"),
    ],
)
def test_mistakes_in_json_are_named(served: Live, body: dict[str, Any], status: int, says: str) -> None:
    answer = served.client.post("/json", json={"model": "small", **body})
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert says in answer.json()["error"]


@pytest.mark.parametrize("value", ["1", [], {}, [[1]], 1e300, "NaN", True, None, math.nan, math.inf])
@pytest.mark.parametrize("key", ["met", "Jet_pt"])
def test_any_value_of_any_key_is_a_score_or_a_clear_error(served: Live, key: str, value: Any) -> None:
    body = served.client.get("/api/models/small/metadata").json()["example"]
    body["values"][body["keys"].index(key)] = value
    answer = served.client.post("/json", content=json.dumps(body))
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert key in answer.json()["error"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"1", b"null", b'"a"', b"\xff\xfe", b"NaN", b"{NaN}", b'{"a":' * 100_000, b"[" * 500_000, HUGE],
    ids=range(12),
)
def test_broken_json_is_refused(served: Live, content: bytes) -> None:
    answer = served.client.post("/json", content=content)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("row", "status", "says"),
    [
        (Row(key=["met"], value=[1]), 400, "keys are missing"),
        (Row(key=["met"], value=[1, 2], model="small"), 400, "1 keys and 2 values"),
        (Row(key=["met"], value=[1], model="other"), 404, "other"),
        (Row(key=["Jet_pt[1]"], value=[1], model="small"), 400, "the key Jet_pt[0] is missing"),
        (Row(key=["k"] * 1001, value=[1] * 1001), 413, "1001 keys are given, at most 1000"),
        (DataFrame(row=[Row(key=["a"], value=[1])] * 1001), 413, "1001 rows are more than the 1000 allowed"),
        (Row(key=["a"]), 400, "neither a tfaaspb.Row nor a tfaaspb.DataFrame"),
    ],
)
def test_mistakes_in_protobuf_are_named(served: Live, row: Any, status: int, says: str) -> None:
    answer = served.client.post("/proto", content=row.SerializeToString())
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]


def test_models_and_params_are_listed(served: Live, small: Small) -> None:
    params = json.loads((small.bundle / "params.json").read_bytes())
    (listed,) = served.client.get("/models").json()
    assert listed == served.client.get("/params/small").json()
    assert params.items() <= {**listed, "name": params["name"]}.items()
    assert listed["name"] == "small"
    assert served.client.get("/params/other").status_code == 404


def test_status_has_memory_load_cpu_uptime_and_counters(served: Live) -> None:
    before = served.client.get("/status").json()
    served.client.post("/json", content=b"{")
    after = served.client.get("/status").json()
    assert after["postRequests"] == before["postRequests"] + 1
    assert after["getRequests"] == before["getRequests"] + 1
    assert 0 < after["memory"]["process"] < after["memory"]["total"]
    assert after["uptime"] > before["uptime"] > 0
    assert len(after["load"]) == 3
    assert after["models"] == {"READY": 1}


def test_download_of_a_version_is_a_bundle(served: Live, small: Small, tmp_path: Path) -> None:
    answer = served.client.get("/download/small/latest")
    assert answer.headers["content-disposition"] == 'attachment; filename="small-1.tar.gz"'
    (tmp_path / "got.tar.gz").write_bytes(answer.content)
    with load_bundle(tmp_path / "got.tar.gz") as got, load_bundle(small.bundle) as made:
        assert got.manifest == made.manifest
    head = served.client.head("/download/small/1")
    assert (head.status_code, head.content) == (200, b"")


def test_download_of_a_file(served: Live, small: Small) -> None:
    answer = served.client.get("/download/small/1/manifest.json")
    assert answer.content == (small.bundle / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    "name", ["nothing", "%2e%2e/1/manifest.json", "..%2f..%2f.lock", "native", "%00", "/etc/passwd"]
)
def test_download_does_not_leave_the_version(served: Live, name: str) -> None:
    assert served.client.get(f"/download/small/1/{name}").status_code == 404


def convolution() -> bytes:
    """``image`` [N, 3, 2, 2] -> the mean of each colour [N, 3]."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("ReduceMean", ["image"], ["probabilities"], axes=[2, 3], keepdims=0)],
        "colours",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 3, 2, 2])],
        [onnx.helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["N", 3])],
    )
    opset = [onnx.helper.make_opsetid("", 13)]
    return bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


def test_images_are_classified(fresh: Live) -> None:
    model = {"model": ("colours.onnx", convolution())}
    forms: list[tuple[str, Any]] = [("plain", model), ("named", {**model, "labels": ("l.txt", "red\ngreen\nblue\n")})]
    for name, files in forms:
        answer = fresh.client.post("/upload", data={"name": name}, files=files)
        assert answer.status_code == 200, answer.text
    stream = io.BytesIO()
    Image.fromarray(np.full((2, 2, 3), (51, 255, 102), dtype=np.uint8)).save(stream, "PNG")
    picture = {"image": ("sea.png", stream.getvalue())}
    for path in ("/image", "/predict/image"):
        plain = fresh.client.post(path, data={"model": "plain"}, files=picture)
        np.testing.assert_allclose(plain.json(), [0.2, 1.0, 0.4], atol=1e-6)
        named = fresh.client.post(path, data={"model": "named"}, files=picture).json()
        assert named["filename"] == "sea.png"
        assert [one["label"] for one in named["labels"]] == ["green", "blue", "red"]
        np.testing.assert_allclose([one["probability"] for one in named["labels"]], [1.0, 0.4, 0.2], atol=1e-6)


@pytest.mark.parametrize(
    ("files", "status", "says"),
    [
        ({"other": ("a.png", b"x")}, 400, "the form has no file called image"),
        ({"image": ("a.png", b"x")}, 400, "not a picture"),
        ({}, 415, "the body must be a form"),
    ],
)
def test_mistakes_with_images_are_named(served: Live, files: dict[str, Any], status: int, says: str) -> None:
    answer = served.client.post("/image", files=files, params={})
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status"), [({}, 400), ({"name": 5}, 400), ({"name": "other"}, 404), ({"name": "../x"}, 400)]
)
def test_a_default_model_must_be_there(served: Live, body: dict[str, Any], status: int) -> None:
    assert served.client.post("/params", json=body).status_code == status


def test_a_delete_must_name_a_model(served: Live) -> None:
    answer = served.client.request("DELETE", "/delete", data={"other": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "the form has no field model")
    assert served.client.request("DELETE", "/delete").status_code == 400
