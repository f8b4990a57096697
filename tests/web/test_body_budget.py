"""The bytes of all bodies in memory have a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlaas4hep.errors.serving import OverloadedError
from mlaas4hep.inference.grpc.gate import GrpcGate
from mlaas4hep.inference.grpc.server import serve_grpc
from mlaas4hep.inference.operation.assemble import Parts, build
from mlaas4hep.inference.settings import Limits, Settings
from mlaas4hep.web.body_budget import BodyBudget, BudgetedBody
from mlaas4hep.web.errors import UnreadBodyError

LIMIT = 100_000
Sent = list[dict[str, Any]]


@given(sizes=st.lists(st.integers(0, 150), max_size=30), limit=st.integers(1, 300))
def test_never_more_than_the_limit_but_for_one_alone(sizes: list[int], limit: int) -> None:
    held = BodyBudget(limit)
    kept: list[int] = []
    for size in sizes:
        try:
            held.take(size)
        except OverloadedError:
            assert sum(kept) + size > limit
            held.give(kept.pop())
        else:
            kept.append(size)
        assert held.bytes == sum(kept)
        assert held.bytes <= limit or sum(size > 0 for size in kept) == 1


def test_a_body_is_counted_as_it_comes_and_let_go_in_the_end() -> None:
    async def test() -> None:
        parts = [b"x" * 40, b"y" * 40, b"z" * 40]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        held = BodyBudget(100)
        held.take(10)
        incoming = BudgetedBody(receive, 1000, held)
        await incoming()
        await incoming()
        assert held.bytes == 90
        with pytest.raises(OverloadedError):
            await incoming()
        assert held.bytes == 10
        incoming.end()
        assert held.bytes == 10

    asyncio.run(test())


def test_what_is_not_kept_is_only_measured() -> None:
    async def test() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"x" * 60, "more_body": True}

        incoming = BudgetedBody(receive, 100, None)
        await incoming()
        with pytest.raises(UnreadBodyError, match="the body is larger than 100 bytes"):
            await incoming()
        await incoming()  # whoever throws the rest away may go on

    asyncio.run(test())


def inside(models: Path, test: Callable[[Parts], Awaitable[None]]) -> None:
    """Run a test with the parts of a server that holds few bytes."""

    async def run() -> None:
        parts = build(Settings(repository=models, limits=Limits(bodies=LIMIT)))
        await parts.server.start()
        await parts.server.look()  # a second time: only then files written just now count as complete
        await parts.server.loaded()
        parts.state.ready = True
        try:
            await asyncio.wait_for(test(parts), 60)
        finally:
            await parts.server.stop()

    asyncio.run(run())


async def post(parts: Parts, path: str, pieces: list[bytes], reached: asyncio.Event, go_on: asyncio.Event) -> Sent:
    """What is sent to a client whose last piece comes when `go_on` is set."""
    sent: Sent = []
    headers = [(b"host", b"localhost"), (b"content-length", b"%d" % sum(map(len, pieces)))]

    async def receive() -> dict[str, Any]:
        if len(pieces) == 1:
            reached.set()
            await go_on.wait()
        body = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await parts.app(scope, receive, send)
    return sent


@pytest.mark.parametrize("path", ["/json", "/v2/models/scorer/infer", "/proto"])
def test_one_body_too_many_is_refused_and_others_go_on(models: Path, path: str) -> None:
    async def test(parts: Parts) -> None:
        row = orjson.dumps({"keys": ["a", "b", "c"], "values": [1, 2, 3]})
        reached, go_on, never = asyncio.Event(), asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(post(parts, "/json", [b" " * 80_000, row], reached, go_on))
        await reached.wait()
        assert parts.state.bodies.bytes == 80_000
        refused = await post(parts, path, [b" " * 30_000, b" "], asyncio.Event(), never)
        assert refused[0]["status"] == 503
        headers = dict(refused[0]["headers"])
        assert headers[b"retry-after"] == b"1"
        assert orjson.loads(refused[1]["body"]) == {
            "error": "the server holds too many bytes of other requests; try again later"
        }
        assert parts.state.bodies.bytes == 80_000
        go_on.set()
        assert (await first)[0]["status"] == 200
        assert parts.state.bodies.bytes == 0

    inside(models, test)


def test_uploads_go_to_disk_and_are_not_counted(models: Path, tmp_path: Path) -> None:
    async def test(parts: Parts) -> None:
        reached, go_on = asyncio.Event(), asyncio.Event()
        upload = asyncio.create_task(post(parts, "/api/models", [b"x" * 90_000, b"x" * 90_000, b"x"], reached, go_on))
        await reached.wait()
        assert parts.state.bodies.bytes == 0
        go_on.set()
        assert (await upload)[0]["status"] == 422
        assert not list(tmp_path.iterdir())

    inside(models, test)


def test_messages_of_grpc_count(models: Path) -> None:
    async def test(parts: Parts) -> None:
        gate = GrpcGate(parts.state, parts.admission)
        server = await serve_grpc(parts.server, "127.0.0.1", 0, around=gate.around)
        request = service_pb2.ModelInferRequest(
            model_name="scorer", raw_input_contents=[np.ones((1, 3), np.float32).tobytes()]
        )
        request.inputs.add(name="features", datatype="FP32", shape=[1, 3])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            parts.state.bodies.take(LIMIT)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await stub.ModelInfer(request)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            assert error.value.details() == "the server holds too many bytes of other requests; try again later"
            parts.state.bodies.give(LIMIT)
            assert (await stub.ModelInfer(request)).model_name == "scorer"
        assert parts.state.bodies.bytes == 0
        await server.stop()

    inside(models, test)
