"""Everything about models below /api/models."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.live import Live


@pytest.fixture
def two(fresh: Live, served: Live) -> Live:
    """A server with the model ``m`` in versions 1 and 2."""
    data = served.client.get("/download/small/1").content
    for version in ("1", "2"):
        made = fresh.client.post("/api/models", content=data, params={"name": "m"})
        assert made.status_code == 201, made.text
        assert made.json()["version"] == version
        assert made.headers["location"] == f"/api/models/m/versions/{version}"
        assert fresh.client.get(made.headers["location"]).json() == made.json()
    return fresh


def test_models_and_versions_are_listed(two: Live) -> None:
    (model,) = two.client.get("/api/models").json()["models"]
    assert model["name"] == "m"
    assert [(one["version"], one["labels"]) for one in model["versions"]] == [("1", []), ("2", ["latest"])]
    assert model["versions"][1]["state"] == "READY"
    shown = two.client.get("/api/models/m").json()
    assert shown == {**model, "default": "2"}
    assert two.client.get("/api/models/m/versions/latest").json() == model["versions"][1]


def test_metadata_say_how_to_ask(two: Live) -> None:
    found = two.client.get("/api/models/m/metadata").json()
    assert found["branches"] == {
        "Jet_eta": "jagged",
        "Jet_pt": "jagged",
        "cells": "jagged",
        "charge": "flat",
        "flag": "flat",
        "met": "flat",
    }
    assert found["outputs"] == [{"name": "scores", "dtype": "float32", "shape": [-1, 1], "columns": ["signal"]}]
    assert found["metadata"]["framework"] == "sklearn"
    answer = two.client.post("/json", json=found["example"])
    assert answer.status_code == 200, answer.text
    assert len(answer.json()) == 1
    one = two.client.get("/api/models/m/versions/1/metadata").json()
    assert (one["version"], one["branches"]) == ("1", found["branches"])


def test_labels_choose_versions(two: Live) -> None:
    example = two.client.get("/api/models/m/metadata").json()["example"]
    events = {"model": "m", "events": [dict(zip(example["keys"], example["values"], strict=True))]}
    for given, version in ((1, "1"), ("2", "2")):
        answer = two.client.put("/api/models/m/labels/stable", json={"version": given})
        assert answer.json()["labels"][-1] == "stable"
        assert two.client.post("/json", json={**events, "version": "stable"}).json()["version"] == version
    assert two.client.delete("/api/models/m/labels/stable").status_code == 204
    assert two.client.post("/json", json={**events, "version": "stable"}).status_code == 404
    assert two.client.delete("/api/models/m/labels/stable").status_code == 404


def test_versions_are_unloaded_and_loaded(two: Live) -> None:
    client = two.client
    assert client.post("/api/models/m/versions/1/unload").status_code == 204
    states = {one["version"]: one["state"] for one in client.get("/api/models/m").json()["versions"]}
    assert states == {"1": "UNLOADED", "2": "READY"}
    example = {**client.get("/api/models/m/metadata").json()["example"], "version": 1}
    assert client.post("/json", json=example).status_code == 503
    assert client.post("/api/models/m/versions/1/load").json()["state"] == "READY"
    assert client.post("/json", json=example).status_code == 200
    assert client.post("/api/models/m/unload").status_code == 204
    assert client.post("/api/models/m/load").json()["state"] == "READY"


def test_versions_and_models_are_deleted(two: Live) -> None:
    assert two.client.delete("/api/models/m/versions/2").status_code == 204
    assert [one["version"] for one in two.client.get("/api/models/m").json()["versions"]] == ["1"]
    assert two.client.delete("/api/models/m/versions/2").status_code == 404
    assert two.client.delete("/api/models/m").status_code == 204
    assert two.client.get("/api/models").json() == {"models": []}
    assert two.client.get("/api/models/m").status_code == 404


def test_settings_are_changed(two: Live) -> None:
    first = two.client.patch("/api/models/m", json={"canary": 10})
    assert first.json() == {"batching": None, "canary": 10.0}
    second = two.client.patch("/api/models/m", json={"batching": {"max_size": 8, "max_delay_ms": 2}})
    assert second.json() == {"batching": {"max_size": 8, "max_delay_ms": 2.0}, "canary": 10.0}
    assert two.client.patch("/api/models/m", json={"batching": None}).json() == first.json()


def test_a_version_that_is_there_is_a_conflict(two: Live) -> None:
    data = two.client.get("/download/m/1").content
    answer = two.client.post("/api/models", content=data, params={"name": "m", "version": "2"})
    assert answer.status_code == 409
    assert "has a version 2 already" in answer.json()["error"]
    form = {"file": ("bundle.tar.gz", data)}
    made = two.client.post("/api/models", data={"name": "m", "version": "7"}, files=form)
    assert (made.status_code, made.json()["version"]) == (201, "7")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/models/other", None, 404),
        ("GET", "/api/models/other/metadata", None, 404),
        ("GET", "/api/models/small/versions/9", None, 404),
        ("GET", "/api/models/small/versions/9/metadata", None, 404),
        ("DELETE", "/api/models/other", None, 404),
        ("DELETE", "/api/models/small/versions/9", None, 404),
        ("POST", "/api/models/other/load", None, 404),
        ("POST", "/api/models/small/versions/9/unload", None, 404),
        ("PUT", "/api/models/other/labels/stable", {"version": "1"}, 404),
        ("PUT", "/api/models/small/labels/stable", {"version": "9"}, 404),
        ("PUT", "/api/models/small/labels/latest", {"version": "1"}, 400),
        ("PUT", "/api/models/small/labels/7", {"version": "1"}, 400),
        ("PUT", "/api/models/small/labels/stable", {}, 400),
        ("PUT", "/api/models/small/labels/stable", {"version": []}, 400),
        ("PUT", "/api/models/small/labels/stable", None, 400),
        ("PATCH", "/api/models/small", {}, 400),
        ("PATCH", "/api/models/small", {"colour": "red"}, 400),
        ("PATCH", "/api/models/small", {"canary": 101}, 400),
        ("PATCH", "/api/models/small", {"canary": "much"}, 400),
        ("PATCH", "/api/models/small", {"batching": {"max_size": 1}}, 400),
        ("PATCH", "/api/models/other", {"canary": 5}, 404),
        ("POST", "/api/models?version=one", b"x", 400),
        ("POST", "/api/models?name=a/b", b"x", 400),
    ],
)
def test_mistakes_have_their_status(served: Live, method: str, path: str, body: Any, status: int) -> None:
    options = {"content": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
    answer = served.client.request(method, path, **options)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
