"""A stop loses no request: real processes, real signals, real load."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import grpc.aio
import httpx
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.support.serve_process import ServeProcess, eventually

BODY = b'{"model": "scorer", "rows": [[1.0, 2.0, 3.0]]}'


@dataclass
class Load:
    """What clients saw."""

    answered: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def done(self) -> None:
        self.answered += 1
        if self.answered > 500:
            self.enough.set()


async def http_client(url: str, load: Load) -> None:
    """Send one request after the other on a connection that is kept, until nobody listens any more."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        while True:
            try:
                response = await client.post("/predict", content=BODY)
            except httpx.ConnectError:
                load.refused += 1
                return
            except httpx.HTTPError as error:
                load.failed.append(repr(error))
                return
            if response.status_code != 200:
                load.failed.append(response.text)
            load.done()


async def connecting_client(url: str, load: Load) -> None:
    """A connection for every request."""
    while True:
        async with httpx.AsyncClient(base_url=url, timeout=30, headers={"connection": "close"}) as client:
            try:
                response = await client.post("/predict", content=BODY)
            except httpx.ConnectError:
                load.refused += 1
                return
            except httpx.HTTPError as error:
                load.failed.append(repr(error))
                return
            if response.status_code != 200:
                load.failed.append(response.text)
            load.done()


async def grpc_client(address: str, load: Load) -> None:
    """Calls one after the other on a channel."""
    rows = np.ones((1, 3), np.float32)
    request = service_pb2.ModelInferRequest(model_name="scorer", raw_input_contents=[rows.tobytes()])
    request.inputs.add(name="features", datatype="FP32", shape=[1, 3])
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_retries", 0)]) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        while True:
            try:
                response = await stub.ModelInfer(request)
            except grpc.aio.AioRpcError as error:
                details = error.details() or ""
                if error.code() is grpc.StatusCode.UNAVAILABLE and "failed to connect" in details:
                    load.refused += 1
                else:
                    load.failed.append(f"{error.code()} {details}")
                return
            assert response.model_name == "scorer"
            load.done()


async def stop_under_load(serving: ServeProcess, clients: list[Callable[[Load], asyncio.Task[None]]]) -> Load:
    load = Load()
    tasks = [make(load) for make in clients]
    await asyncio.wait_for(load.enough.wait(), 60)
    serving.signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    return load


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_under_load(start: Callable[..., ServeProcess], workers: int) -> None:
    serving = start({"workers": workers})

    async def run() -> Load:
        clients: list[Callable[[Load], asyncio.Task[None]]] = []
        clients += [lambda load: asyncio.create_task(http_client(serving.url, load))] * 12
        clients += [lambda load: asyncio.create_task(connecting_client(serving.url, load))] * 6
        clients += [lambda load: asyncio.create_task(grpc_client(serving.grpc, load))] * 4
        return await stop_under_load(serving, clients)

    load = asyncio.run(run())
    assert load.failed == []
    assert load.refused == 22
    assert load.answered > 500
    assert serving.wait() == 0
    assert serving.errors.read_text() == ""


def test_a_request_that_still_arrives_is_finished(start: Callable[..., ServeProcess]) -> None:
    serving = start()
    with socket.create_connection(("127.0.0.1", serving.port)) as client:
        head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(BODY)
        client.sendall(head + BODY[:10])
        eventually(lambda: b"in_flight" in httpx.get(f"{serving.url}/metrics").content)
        serving.signal()
        eventually(lambda: serving.lines("stops"))
        eventually(lambda: refused(serving.port))
        client.sendall(BODY[10:])
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert b'"scores"' in answer
    assert serving.wait() == 0


def test_an_idle_connection_does_not_hold_up_the_stop(start: Callable[..., ServeProcess]) -> None:
    serving = start({"drain": 600})
    with socket.create_connection(("127.0.0.1", serving.port)) as idle, httpx.Client(base_url=serving.url) as client:
        assert client.get("/health/live").status_code == 200
        serving.signal()
        assert serving.wait() == 0
        assert read_all(idle) == b""


def test_a_client_that_never_ends_is_broken_off(start: Callable[..., ServeProcess]) -> None:
    serving = start({"drain": 0.3})
    with socket.create_connection(("127.0.0.1", serving.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
        eventually(lambda: httpx.get(f"{serving.url}/health/live"))
        serving.signal()
        assert serving.wait() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_signal_ends_at_once(start: Callable[..., ServeProcess], workers: int) -> None:
    serving = start({"drain": 600, "workers": workers})
    with socket.create_connection(("127.0.0.1", serving.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
        eventually(lambda: httpx.get(f"{serving.url}/health/live"))
        serving.signal(signal.SIGINT)
        eventually(lambda: serving.lines("stops"))
        eventually(lambda: refused(serving.port))
        serving.signal(signal.SIGINT)
        assert serving.wait() == 128 + signal.SIGINT


def test_readiness_goes_before_the_door_is_closed(start: Callable[..., ServeProcess]) -> None:
    serving = start({"notice": 3})
    with httpx.Client(base_url=serving.url) as client:
        assert client.get("/health/ready").json() == {"ready": True}
        serving.signal()
        eventually(lambda: client.get("/health/ready").status_code == 503)
        assert client.get("/v2/health/ready").status_code == 503
        with grpc.insecure_channel(serving.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            assert not stub.ServerReady(service_pb2.ServerReadyRequest()).ready
            assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
        assert client.get("/health/live").json() == {"live": True}
        assert client.post("/predict", content=BODY).status_code == 200
    assert serving.wait() == 0


def test_connections_made_during_the_stop_are_refused_not_reset(start: Callable[..., ServeProcess]) -> None:
    """Many connections race with the stop; whoever is connected is answered."""
    serving = start()
    seen: list[str] = []
    go = threading.Event()

    def knock() -> None:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", serving.port), 30) as client:
                    client.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                    seen.append(read_all(client)[:12].decode())
            except ConnectionRefusedError:
                return
            except OSError as error:
                seen.append(repr(error))
            if len(seen) > 200:
                go.set()

    threads = [threading.Thread(target=knock) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert go.wait(30)
    serving.signal()
    for thread in threads:
        thread.join(30)
    assert set(seen) == {"HTTP/1.1 200"}
    assert serving.wait() == 0


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    return False


def read_all(client: socket.socket) -> bytes:
    client.settimeout(30)
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)
