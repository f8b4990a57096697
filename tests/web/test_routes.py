"""The route table: what it finds, and what it answers where there is nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call, Found, Routes
from mlaas4hep.web.telemetry.metrics import OTHER


async def echo(request: Request) -> Response:
    """The parameters of the path."""
    return PlainTextResponse(str(sorted(request.path_params.items())))


async def enter(_: Request) -> Response:
    """Says where it is."""
    return PlainTextResponse("entrance")


CALLS = [
    Call("GET", "/things/{name}", Right.READ, echo),
    Call("DELETE", "/things/{name}", Right.MANAGE, echo),
    Call("GET", "/things/all", Right.OPEN, echo),
    Call("PUT", "/files/{name}/{path:path}", Right.MANAGE, echo, body="disk"),
]


def ask(routes: Routes, method: str, path: str) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=routes)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path)

    return asyncio.run(call())


@pytest.mark.parametrize("base", ["", "/ml"])
@pytest.mark.parametrize(
    ("method", "path", "template", "right", "parameters"),
    [
        ("GET", "/things/one", "/things/{name}", Right.READ, {"name": "one"}),
        ("HEAD", "/things/one", "/things/{name}", Right.READ, {"name": "one"}),
        ("DELETE", "/things/one", "/things/{name}", Right.MANAGE, {"name": "one"}),
        ("GET", "/things/all", "/things/all", Right.OPEN, {}),
        ("PUT", "/files/a/b/c", "/files/{name}/{path}", Right.MANAGE, {"name": "a", "path": "b/c"}),
        ("PUT", f"/files/a/{'b' * 1000}", "/files/{name}/{path}", Right.MANAGE, {"name": "a", "path": "b" * 1000}),
    ],
)
def test_what_is_found(
    base: str, method: str, path: str, template: str, right: Right, parameters: dict[str, Any]
) -> None:
    found = Routes(CALLS, base).find(method, f"{base}{path}")
    assert found.call is not None
    assert found[:3] == (path, template, right)
    assert found.parameters == parameters


@pytest.mark.parametrize(
    ("method", "path", "template", "right"),
    [
        ("PATCH", "/things/one", "/things/{name}", Right.MANAGE),
        ("OPTIONS", "/things/one", "/things/{name}", Right.READ),
        ("DELETE", "/things/all", "/things/all", Right.MANAGE),
        ("GET", "/things/one/two", OTHER, Right.READ),
        ("GET", "/things/", OTHER, Right.READ),
        ("POST", "*", OTHER, Right.MANAGE),
    ],
)
def test_what_is_not_found(method: str, path: str, template: str, right: Right) -> None:
    found = Routes(CALLS).find(method, path)
    assert found.call is None
    assert found[:3] == (path, template, right)


def test_nothing_lies_outside_the_base_path() -> None:
    routes = Routes([*CALLS, Call("GET", "", Right.READ, enter)], "/ml")
    for path in ("/things/all", "/mlx/things/all", "/m", "/"):
        assert routes.find("GET", path) == Found(path, OTHER, Right.READ, None, {})
    assert routes.find("GET", "/ml").template == "/ml"
    assert ask(routes, "GET", "/ml").text == "entrance"


def test_handlers_get_the_parameters() -> None:
    routes = Routes(CALLS)
    assert ask(routes, "GET", "/things/one").text == "[('name', 'one')]"
    assert ask(routes, "PUT", "/files/a/b/c").text == "[('name', 'a'), ('path', 'b/c')]"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("OPTIONS", "/things/one", 204, "DELETE, GET, HEAD"),
        ("PATCH", "/things/one", 405, "DELETE, GET, HEAD"),
        ("GET", "/nothing", 404, None),
        ("OPTIONS", "/nothing", 404, None),
    ],
)
def test_paths_and_methods_that_are_not_there(method: str, path: str, status: int, allow: str | None) -> None:
    answer = ask(Routes(CALLS), method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (status, allow)
    assert ("error" in answer.text) == (status >= 400)
