"""A route is one file and one line in the list of modules: access, limits, OpenAPI, metrics and fast path follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlaas4hep.inference.operation.assemble import Parts, build
from mlaas4hep.inference.rest import app
from mlaas4hep.inference.settings import Limits, Security, Settings
from mlaas4hep.web.replies import Reply
from mlaas4hep.web.rights import Right
from tests.inference.rest import toy_route

TARGET = "/toys/brick/weight"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Parts]:
    monkeypatch.setattr(app, "MODULES", (*app.MODULES, toy_route))
    return lambda **more: build(Settings(repository=tmp_path, limits=Limits(body=100, upload=200), **more))


def post(parts: Parts, **request: Any) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=parts.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(TARGET, **request)

    return asyncio.run(call())


def test_it_answers_within_its_limit(make: Callable[..., Parts]) -> None:
    parts = make()
    answer = post(parts, content=bytes(100))
    assert (answer.status_code, answer.json()) == (200, {"toy": "brick", "bytes": 100})
    assert post(parts, content=bytes(101)).status_code == 413


def test_it_needs_its_right(make: Callable[..., Parts]) -> None:
    parts = make(security=Security(issuers=("https://issuer.example",)))
    assert post(parts, content=b"1").status_code == 401
    assert parts.app.fast_path is not None
    call = parts.app.fast_path.find(TARGET.encode())
    assert call is not None
    assert call.right is Right.MANAGE


def test_it_is_described(make: Callable[..., Parts]) -> None:
    async def document() -> Any:
        transport = httpx.ASGITransport(app=make().app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/openapi.json")).json()

    found = asyncio.run(document())
    described = found["paths"]["/toys/{toy}/weight"]["post"]
    assert (described["summary"], described["parameters"][0]["name"]) == ("Weigh a body", "toy")
    assert {"name": "Toys"} in found["tags"]


def test_it_is_counted_by_its_template(make: Callable[..., Parts]) -> None:
    parts = make()
    post(parts, content=b"1")
    (requests,) = [one for one in parts.state.metrics.families() if one.name == "mlaas4hep_requests"]
    assert [dict(labels)["route"] for labels in requests.values] == ["/toys/{toy}/weight"]


def test_it_is_on_the_fast_path(make: Callable[..., Parts]) -> None:
    fast_path = make().app.fast_path
    assert fast_path is not None
    call = fast_path.find(TARGET.encode())
    assert call is not None
    found = fast_path.answer(call, {b"host": b"localhost"}, ("127.0.0.1", 4711), b"12345")
    assert isinstance(found, tuple)
    assert found[0] == Reply(b'{"toy":"brick","bytes":5}')
    assert fast_path.find(b"/upload") is None
