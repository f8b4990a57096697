"""What connections use of uvicorn beyond its documented interface: if a version renames it, this says what."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlaas4hep.inference.operation.assemble import build
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.http.server import HttpServer

HEAD = b"PUT /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
CALLBACKS = (
    "on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete",
    "on_response_complete", "pause_writing", "resume_writing",
)  # fmt: skip
OF_A_CONNECTION = (
    "app", "client", "config", "connections", "cycle", "expect_100_continue", "flow", "headers", "loop", "parser",
    "pipeline", "server_state", "transport", "url",
)  # fmt: skip
OF_A_CYCLE = (
    "disconnected", "keep_alive", "message_event", "response_complete", "response_started", "scope",
)  # fmt: skip
OF_FLOW_CONTROL = (
    "drain", "pause_reading", "read_paused", "resume_reading", "write_paused",
)  # fmt: skip
OF_THE_STATE = ("connections", "default_headers", "tasks", "total_requests")


class Wire(asyncio.Transport):
    """Drops what is written."""

    def write(self, data: Any) -> None:
        """There is no socket."""

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """There is no socket."""


def missing(thing: object, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if not hasattr(thing, name)]


def test_uvicorn_has_the_names_that_connections_use(tmp_path: Path) -> None:
    assert missing(HttpToolsProtocol, CALLBACKS) == []

    async def run() -> None:
        settings = Settings(repository=tmp_path)
        parts = build(settings)
        http = HttpServer(parts.app, settings, parts.state)
        assert missing(http, ("config", "on_tick", "server_state", "capture_signals")) == []
        assert missing(http.config, ("is_ssl", "load", "loaded_app", "ssl")) == []
        connection: Any = http.connection()
        connection.connection_made(Wire({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}))
        connection.data_received(HEAD)
        assert isinstance(connection.flow, FlowControl)
        assert missing(connection, OF_A_CONNECTION) == []
        assert missing(connection.flow, OF_FLOW_CONTROL) == []
        assert missing(connection.server_state, OF_THE_STATE) == []
        assert missing(connection.cycle, OF_A_CYCLE) == []
        connection.data_received(b"abc")
        while not connection.cycle.response_complete:
            await asyncio.sleep(0)
        assert http.server_state.total_requests == 1

    asyncio.run(asyncio.wait_for(run(), 30))
