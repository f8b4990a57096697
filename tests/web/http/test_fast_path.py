"""The fast path of small predictions: used where it should be, and not to be told from the slow path by its answers."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.inference.operation.assemble import Parts, build
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.http.server import HttpServer
from tests.support.issuer import Issuer
from tests.support.serve_process import ServeProcess

ROW = b'{"model": "scorer", "keys": ["a", "b", "c"], "values": [1, 2.5, -3]}'
INFER = "/v2/models/scorer/infer"
RAW = np.array([[1, 2.5, -3]], np.float32).tobytes()
TWICE = "X-Twice: 1\r\nX-Twice: 1\r\n"
"""A header given twice goes the slow path."""


def tensor(values: Any, shape: tuple[int, ...] = (1, 3), **more: Any) -> bytes:
    entry = {"name": "features", "shape": shape, "datatype": "FP32", "data": values}
    return json.dumps({"inputs": [entry], **more}).encode()


def binary(**more: Any) -> tuple[bytes, str]:
    entry = {
        "name": "features",
        "shape": [1, 3],
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(RAW)},
    }
    head = json.dumps({"inputs": [entry], **more}).encode()
    return head + RAW, f"Inference-Header-Content-Length: {len(head)}\r\n"


def request(path: str, body: bytes, headers: str = "", host: str = "localhost") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


CASES = {
    "row": ("/json", ROW, ""),
    "predict": ("/predict", ROW, ""),
    "its id": ("/json", ROW, "X-Request-Id: mine-1\r\n"),
    "an id of nonsense": ("/json", ROW, "X-Request-Id: a b\r\n"),
    "rows": ("/json", b'{"rows": [[1, 2, 3]]}', ""),
    "no json": ("/json", b"{", ""),
    "no model": ("/json", b'{"model": "none", "keys": ["a"], "values": [1]}', ""),
    "too few": ("/json", b'{"keys": ["a"], "values": [1]}', ""),
    "text": ("/json", b'{"keys": ["a", "b", "c"], "values": ["1", 2, 3]}', ""),
    "too large a number": ("/json", b'{"keys": ["a", "b", "c"], "values": [1e40, 2, 3]}', ""),
    "nothing": ("/json", b"", ""),
    "tensor": (INFER, tensor([1, 2.5, -3]), ""),
    "floats": (INFER, tensor([1.0, 2.5, -3.0]), ""),
    "nan": (INFER, tensor([1.0, float("nan"), -3.0]), ""),
    "null": (INFER, tensor([1.0, None, -3.0]), ""),
    "out of range": (INFER, tensor([1.0, 1e39, -3.0]), ""),
    "booleans": (INFER, tensor([True, False, True]), ""),
    "nested": (INFER, tensor([[1.0, 2.5, -3.0]]), ""),
    "version": ("/v2/models/scorer/versions/1/infer", tensor([1.0, 2.5, -3.0], id="7"), ""),
    "no version": ("/v2/models/scorer/versions/9/infer", tensor([1.0, 2.5, -3.0]), ""),
    "other model": ("/v2/models/none/infer", tensor([1.0, 2.5, -3.0]), ""),
    "wrong shape": (INFER, tensor([1.0, 2.5], (1, 2)), ""),
    "wrong count": (INFER, tensor([1.0, 2.5]), ""),
    "no output": (INFER, tensor([1.0, 2.5, -3.0], outputs=[{"name": "none"}]), ""),
    "binary in": (INFER, *binary()),
    "binary out": (INFER, *binary(parameters={"binary_data_output": True})),
    "bytes alone": (INFER, RAW, "Inference-Header-Content-Length: 0\r\n"),
    "wrong length": (INFER, RAW, "Inference-Header-Content-Length: x\r\n"),
    "packed answer": (INFER, tensor([0.5] * 900, (300, 3)), "Accept-Encoding: gzip\r\n"),
    "not packed": (INFER, tensor([0.5] * 3), "Accept-Encoding: gzip\r\n"),
    "page of another site": ("/json", ROW, "Origin: https://elsewhere.example\r\n"),
}


def exchange(port: int, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(data)
        file = client.makefile("rb")
        status = int(file.readline().split()[1])
        headers = {}
        while line := file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        body = file.read(int(headers["content-length"]))
    return status, headers, body


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Any:
    """A server without tokens."""
    serving = ServeProcess(tmp_path_factory.mktemp("plain"), models)
    assert exchange(serving.port, request("/json", ROW))[0] == 200, "a request by its name finds a model of this moment"
    yield serving
    serving.stop()


@pytest.mark.parametrize("case", CASES)
def test_both_ways_answer_the_same(plain: ServeProcess, case: str) -> None:
    path, body, headers = CASES[case]
    fast = exchange(plain.port, request(path, body, headers))
    slow = exchange(plain.port, request(path, body, headers + TWICE))
    for _, found, _ in (fast, slow):
        assert found.pop("date")
        number = found.pop("x-request-id")
        assert re.fullmatch(r"mine-1" if case == "its id" else r"[0-9a-f]{12}-[0-9a-f]+", number)
    assert fast == slow


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1"])
def test_names_of_the_server_are_checked_on_both_ways(plain: ServeProcess, host: str) -> None:
    found = [exchange(plain.port, request("/json", ROW, more, host))[::2] for more in ("", TWICE)]
    assert found[0] == found[1]
    assert found[0][0] == (403 if host == "evil.example" else 200)


def test_tokens_are_checked_on_both_ways(guarded: ServeProcess, issuer: Issuer) -> None:
    good, reading, foreign = issuer.token(), issuer.token("models.read"), issuer.token(audience="https://other.example")
    for token, status in ((good, 200), (None, 401), (foreign, 401), (reading, 403), (good, 200), (reading, 403)):
        header = f"Authorization: Bearer {token}\r\n" if token else ""
        fast, slow = (exchange(guarded.port, request("/json", ROW, header + more)) for more in ("", TWICE))
        assert fast[0] == slow[0] == status
        assert fast[2] == slow[2]
        assert fast[1].get("www-authenticate") == slow[1].get("www-authenticate")


def test_what_was_answered_is_counted(plain: ServeProcess) -> None:
    def counted() -> dict[str, float]:
        with socket.create_connection(("127.0.0.1", plain.port), timeout=30) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            text = client.makefile("rb").read().decode()
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if "infer" in line
        }

    before = counted()
    exchange(plain.port, request(INFER, tensor([1.0, 2.5, -3.0])))
    exchange(plain.port, request(INFER, tensor([1.0])))
    after = counted()
    grown = {name: after[name] - before.get(name, 0) for name in after if "requests_total" in name}
    assert sum(value for name, value in grown.items() if 'status="200"' in name) == 1
    assert sum(value for name, value in grown.items() if 'status="400"' in name) == 1
    failed = [line for line in plain.lines("request") if line["path"] == INFER and line["status"] == 400]
    assert failed
    assert failed[-1]["request"]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 4711), "sockname": ("127.0.0.1", 8083)})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """There is no socket."""

    def resume_reading(self) -> None:
        """There is no socket."""


def inside(models: Path, test: Callable[[Parts, Callable[[], tuple[Any, Wire]]], Awaitable[None]], **more: Any) -> None:
    """Run a test with the parts of a server and a maker of connections."""

    async def run() -> None:
        settings = Settings(repository=models, **more)
        parts = build(settings)
        await parts.server.start()
        await parts.server.look()  # a second time: only then files written just now count as complete
        await parts.server.loaded()
        parts.state.ready = True
        http = HttpServer(parts.app, settings, parts.state)

        def connect() -> tuple[Any, Wire]:
            made = http.connection()
            wire = Wire()
            made.connection_made(wire)
            return made, wire

        try:
            await asyncio.wait_for(test(parts, connect), 60)
        finally:
            await parts.server.stop()

    asyncio.run(run())


async def answers(wire: Wire, number: int) -> list[bytes]:
    """So many answers."""
    while wire.written.count(b"HTTP/1.1 ") < number:
        await asyncio.sleep(0)
    return [part for part in wire.written.split(b"HTTP/1.1 ") if part]


@pytest.mark.parametrize("path", ["/json", INFER])
def test_a_request_in_one_piece_is_answered_in_one_turn_of_the_loop(models: Path, path: str) -> None:
    async def test(_: Parts, connect: Callable[[], tuple[Any, Wire]]) -> None:
        connection, wire = connect()
        body = ROW if path == "/json" else tensor([1.0, 2.5, -3.0])
        for number in (1, 2, 3):
            connection.data_received(request(path, body))
            await asyncio.sleep(0)
            assert wire.written.count(b"HTTP/1.1 200") == number
        assert connection.idle
        assert connection.server_state.total_requests == 3

    inside(models, test)


def test_a_request_in_any_pieces_is_answered_the_same(models: Path) -> None:
    async def test(_: Parts, connect: Callable[[], tuple[Any, Wire]]) -> None:
        data = request(INFER, tensor([1.0, 2.5, -3.0]))
        whole = []
        for cut in range(1, len(data)):
            connection, wire = connect()
            connection.data_received(data[:cut])
            connection.data_received(data[cut:])
            whole += [re.sub(rb"x-request-id: \S+", b"", part) for part in await answers(wire, 1)]
        assert len(whole) == len(data) - 1
        assert len({part.partition(b"\r\n\r\n")[2] for part in whole}) == 1
        assert all(part.startswith(b"200 OK") for part in whole)

    inside(models, test)


def test_requests_sent_together_are_answered_in_order(models: Path) -> None:
    async def test(_: Parts, connect: Callable[[], tuple[Any, Wire]]) -> None:
        connection, wire = connect()
        data = b"".join(request(INFER, tensor([1.0, 2.5, -3.0], id=f"n{number}")) for number in range(5))
        connection.data_received(data)
        connection.shared.writes.flush()
        assert wire.written.count(b"HTTP/1.1 ") == 1, "one a piece, then others have their turn"
        found = await answers(wire, 5)
        assert [re.findall(rb'"id":"(\w+)"', part) for part in found] == [[b"n%d" % number] for number in range(5)]

    inside(models, test)


def test_what_is_no_request_is_refused_behind_the_answer_to_the_one_before(models: Path) -> None:
    async def test(_: Parts, connect: Callable[[], tuple[Any, Wire]]) -> None:
        connection, wire = connect()
        connection.data_received(request("/json", ROW) + b"nonsense\r\n\r\n")
        assert [part[:3] for part in await answers(wire, 2)] == [b"200", b"400"]
        assert wire.closed

    inside(models, test)


def test_while_the_server_stops_the_connection_ends(models: Path) -> None:
    async def test(_: Parts, connect: Callable[[], tuple[Any, Wire]]) -> None:
        connection, wire = connect()
        connection.shared.draining = True
        connection.data_received(request("/json", ROW))
        (found,) = await answers(wire, 1)
        assert b"connection: close" in found
        assert wire.closed

    inside(models, test)


@pytest.mark.parametrize(
    "data",
    [
        request("/json", ROW, "Expect: 100-continue\r\n"),
        request("/json?x=1", ROW),
        request("/json", ROW).replace(b"HTTP/1.1", b"HTTP/1.0"),
        request("/json", ROW, "Connection: close\r\n"),
        b"POST /json HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(ROW), ROW),
    ],
)
def test_the_unusual_goes_the_usual_way(models: Path, data: bytes) -> None:
    async def test(_: Parts, connect: Callable[[], tuple[Any, Wire]]) -> None:
        connection, wire = connect()
        connection.data_received(data)
        assert b"HTTP/1.1 200" not in wire.written
        while b"HTTP/1.1 200" not in wire.written:
            await asyncio.sleep(0)
        assert connection.cycle is not None

    inside(models, test)


def test_behind_a_proxy_there_is_no_fast_path(models: Path) -> None:
    async def test(parts: Parts, _: Callable[[], tuple[Any, Wire]]) -> None:
        assert parts.app.fast_path is None

    inside(models, test, proxies=("10.0.0.1",))


def test_what_has_to_be_waited_for_is_held_until_it_is_answered(models: Path) -> None:
    async def test(parts: Parts, connect: Callable[[], tuple[Any, Wire]]) -> None:
        connection, wire = connect()
        body = b'{"rows": [[1, 2, 3]]}'
        connection.data_received(request("/json", body))
        assert parts.state.bodies.bytes == len(body)
        assert parts.state.metrics.in_flight == 1
        assert not connection.idle
        await answers(wire, 1)
        while connection.server_state.tasks:
            await asyncio.sleep(0)
        assert parts.state.bodies.bytes == parts.state.metrics.in_flight == 0

    inside(models, test)


def test_an_answer_may_take_long_as_long_as_its_client_gets_on(models: Path) -> None:
    class Slow(Wire):
        left = 50 * 2**20

        def get_write_buffer_size(self) -> int:
            return self.left

        def abort(self) -> None:
            self.closed = True

    async def test(_: Parts, connect: Callable[[], tuple[Any, Wire]]) -> None:
        for step, kept in ((2**20, True), (2**10, False), (0, False)):
            connection, first = connect()
            connection.data_received(request("/json", ROW))
            await answers(first, 1)
            connection.transport = wire = Slow()
            connection.pause_writing()
            now = connection.loop.time()
            for _second in range(40):
                wire.left -= step
                now += 1.0
                connection.check(now, 30.0)
            assert wire.closed is not kept

    inside(models, test)
