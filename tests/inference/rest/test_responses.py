"""Responses with a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.inference.rest.responses import BLOCK, file_response


def sent(path: Path) -> list[Any]:
    """Return what the response with this file sends."""
    messages: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.3"}}
    asyncio.run(file_response(path, "application/octet-stream", path.name)(scope, receive, send))
    return messages


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_the_last_bytes_of_a_file_end_the_answer(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    path = tmp_path / "scores.root"
    path.write_bytes(content)
    start, *bodies = sent(path)
    assert dict(start["headers"])[b"content-length"] == str(size).encode()
    assert b"".join(message["body"] for message in bodies) == content
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]
    assert len(bodies) == 1 or bodies[-1]["body"]
