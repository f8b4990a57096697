"""New connections: many at once, without room for them, and with clients that do not speak TLS."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
import trustme
import uvloop

from mlaas4hep.web.http.acceptor import Acceptor
from mlaas4hep.web.sockets import bind
from tests.support.serve_process import ServeProcess, eventually

MANY = 300


class Greeting(asyncio.Protocol):
    """Says hello."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.write(b"hello")
        transport.close()


def test_all_that_wait_are_taken_in_a_few_turns_of_the_loop() -> None:
    async def test(listener: socket.socket) -> int:
        made: list[Greeting] = []

        def protocol() -> Greeting:
            made.append(Greeting())
            return made[-1]

        acceptor = Acceptor(listener, protocol, None, 1.0)
        acceptor.start()
        turns = 0
        while len(made) < MANY:
            await asyncio.sleep(0)
            turns += 1
        await acceptor.settled(60)
        acceptor.stop()
        return turns

    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bind("127.0.0.1", 0))
        clients = [
            stack.enter_context(socket.create_connection(listener.getsockname(), timeout=60)) for _ in range(MANY)
        ]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert runner.run(test(listener)) < MANY / 10
            assert [client.recv(5) for client in clients] == [b"hello"] * MANY


def test_without_room_for_a_connection_the_others_go_on(start: Callable[..., ServeProcess]) -> None:
    plain = start()
    pid = plain.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with httpx.Client(base_url=plain.url, timeout=60) as known, contextlib.ExitStack() as stack:
        assert known.get("/health/live").status_code == 200
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (psutil.Process(pid).num_fds(), before[1]))
        try:
            waiting = stack.enter_context(socket.create_connection(("127.0.0.1", plain.port), timeout=60))
            waiting.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            eventually(lambda: [line for line in plain.lines() if "no new connections" in line["message"]])
            assert known.get("/health/live").status_code == 200
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        assert waiting.makefile("rb").readline().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_client_that_does_not_speak_tls_is_let_go(
    start: Callable[..., ServeProcess], tmp_path: Path, said: bytes
) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    serving = start({"tls": tls, "limits": {"read_timeout": 1.0}})
    with socket.create_connection(("127.0.0.1", serving.port), timeout=60) as client:
        client.sendall(said)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1000):
                pass
    assert [line for line in serving.lines() if "Traceback" in str(line) or line["level"] == "error"] == []
