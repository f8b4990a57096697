"""Requests generated from the OpenAPI document, to all routes of a real server."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from mlaas4hep.inference.rest.openapi import document
from mlaas4hep.inference.settings import Limits, Settings
from tests.support.live import Live, live_server
from tests.support.table import table
from tests.support.trained import Small

schemathesis = pytest.importorskip("schemathesis")

KNOWN = {"model": ["small", "other"], "version": ["1", "latest", "9"], "label": ["stable"], "path": ["model.onnx"]}
TEXT = {"type": "string", "minLength": 1}


@pytest.fixture(scope="module")
def own(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that may be changed."""
    repository = tmp_path_factory.mktemp("own")
    (repository / "small").mkdir()
    shutil.copytree(small.bundle, repository / "small" / "1")
    with live_server(Settings(repository=repository, limits=Limits(body=2**20, upload=2**22))) as live:
        yield live


def operations() -> list[Any]:
    """All calls, with the names of what is there among the values to try; those that remove it come last."""
    described = document(table().calls)
    for calls in described["paths"].values():
        for call in calls.values():
            for parameter in call.get("parameters", []):
                if parameter["name"] in KNOWN:
                    parameter["schema"] = {"anyOf": [{"enum": KNOWN[parameter["name"]]}, TEXT]}
    found = [one.ok() for one in schemathesis.openapi.from_dict(described).get_all_operations()]
    return sorted(found, key=lambda one: one.method == "delete" or one.path.endswith("unload"))


@pytest.mark.parametrize("operation", operations(), ids=lambda one: f"{one.method} {one.path}")
def test_no_generated_request_is_an_error_of_the_server(own: Live, operation: Any) -> None:
    from schemathesis.specs.openapi import checks

    conforms = [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    seen: Counter[int] = Counter()

    @given(case=operation.as_strategy())
    @settings(max_examples=6, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def check(case: Any) -> None:
        answer = case.call(base_url=own.url, timeout=60)
        seen[answer.status_code] += 1
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        if answer.status_code >= 400 and operation.method != "head":
            assert answer.json()["error"]
        case.validate_response(answer, checks=conforms)

    check()
    assert seen


def test_the_server_lives_on(own: Live) -> None:
    assert own.client.get("/v2/health/live").json() == {"live": True}
