"""Answers are sent together, in order, and none late."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from mlaas4hep.web.http.gathered_writes import GatheredWrites


class Wire(asyncio.WriteTransport):
    """Tells all wires' list what is written."""

    def __init__(self, sent: list[tuple[str, bytes]], name: str) -> None:
        super().__init__()
        self.sent, self.name, self.closed = sent, name, False

    def write(self, data: Any) -> None:
        self.sent.append((self.name, data))

    def is_closing(self) -> bool:
        return self.closed


def test_they_are_sent_in_order_before_what_is_done_later() -> None:
    async def test() -> None:
        sent: list[tuple[str, bytes]] = []
        first, second = Wire(sent, "first"), Wire(sent, "second")
        gathered = GatheredWrites()
        gathered.write(first, b"1")
        asyncio.get_running_loop().call_soon(sent.append, ("later", b""))
        gathered.write(second, b"2")
        gathered.write(first, b"3")
        assert not sent
        await asyncio.sleep(0)
        assert sent == [("first", b"1"), ("second", b"2"), ("first", b"3"), ("later", b"")]
        await asyncio.sleep(0)
        assert len(sent) == 4

    asyncio.run(test())


@pytest.mark.parametrize("longest", [3600.0, 0.0])
def test_after_a_moment_they_wait_no_longer(longest: float) -> None:
    async def test() -> None:
        sent: list[tuple[str, bytes]] = []
        gathered = GatheredWrites(longest)
        gathered.write(Wire(sent, "first"), b"1")
        begin = time.perf_counter()
        while time.perf_counter() == begin:
            continue
        gathered.write(Wire(sent, "second"), b"2")
        both = [("first", b"1"), ("second", b"2")]
        assert sent == (both if longest == 0.0 else [])
        gathered.write(Wire(sent, "third"), b"3")
        await asyncio.sleep(0)
        assert sent == [*both, ("third", b"3")]

    asyncio.run(test())


def test_nothing_is_sent_to_a_client_that_has_gone() -> None:
    async def test() -> None:
        sent: list[tuple[str, bytes]] = []
        gone = Wire(sent, "gone")
        gathered = GatheredWrites()
        gathered.write(gone, b"1")
        gathered.write(Wire(sent, "there"), b"2")
        gone.closed = True
        await asyncio.sleep(0)
        assert sent == [("there", b"2")]

    asyncio.run(test())
