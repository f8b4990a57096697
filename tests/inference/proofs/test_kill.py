"""kill -9 in the middle of changes and of the load of 200 connections; afterwards everything is there, and right."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.support.pressure import Pressure, ask, connected, until
from tests.support.serve_process import ServeProcess
from tests.support.served_versions import MODEL, Versions, assert_whole

CONNECTIONS = 200
VERSIONS = 40
SETTINGS = {"poll": 0.05, "grpc_port": None}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Bundles to put there."""
    return Versions.make(tmp_path_factory.mktemp("versions"), VERSIONS)


@dataclass
class Server:
    """One folder, and the processes that serve it one after the other on one port.

    Attributes:
        must: versions that are there for certain.
        may: versions whose upload or removal was never confirmed.
        done: changes that were confirmed.
    """

    place: Path
    versions: Versions
    settings: dict[str, object]
    must: set[str] = field(default_factory=set)
    may: set[str] = field(default_factory=set)
    done: int = 0
    used: int = 0
    started: int = 0
    process: ServeProcess = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.place / "models"
        for _ in range(2):
            version = self.new()
            shutil.copytree(self.versions.folder / str(version), self.root / MODEL / str(version))
            self.must.add(str(version))
        self.start()

    def start(self, port: int = 0) -> None:
        """A new process."""
        folder = self.place / f"process-{self.started}"
        self.started += 1
        self.process = ServeProcess(folder, self.root, {**SETTINGS, **self.settings, "port": port})

    def new(self) -> int:
        """A version that was never there."""
        self.used += 1
        return self.used

    def killed(self) -> None:
        """kill -9, and a new process on the same folder and port."""
        port = self.process.port
        self.process.signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL
        assert self.process.errors.read_text() == ""
        self.start(port)

    def whole(self) -> None:
        """Nothing is half there; what could be there or not is now known."""
        assert_whole(self.root, self.process.url, self.versions, self.must, self.may)
        self.must = {path.name for path in (self.root / MODEL).iterdir() if path.is_dir()}
        self.may = set()

    async def call(self, method: str, path: str, body: bytes = b"") -> None:
        """A change over HTTP that has to be confirmed."""
        async with connected(self.process.port) as (reader, writer):
            status, _, answer = await ask(reader, writer, path, body, method)
        assert 200 <= status < 300, answer
        self.done += 1

    async def upload(self) -> None:
        version = self.new()
        self.may.add(str(version))
        await self.call("POST", f"/api/models?name={MODEL}&version={version}", self.versions.archive(version))
        self.may.discard(str(version))
        self.must.add(str(version))

    async def delete(self) -> None:
        """The oldest; there is always one that stays."""
        if len(self.must) < 3:
            await self.upload()
        version = min(self.must, key=int)
        self.must.discard(version)
        self.may.add(version)
        await self.call("DELETE", f"/api/models/{MODEL}/versions/{version}")
        self.may.discard(version)

    async def load(self) -> None:
        """The oldest, which nobody asks for."""
        version = min(self.must, key=int)
        await self.call("POST", f"/api/models/{MODEL}/versions/{version}/unload")
        await self.call("POST", f"/api/models/{MODEL}/versions/{version}/load")

    async def reload(self) -> None:
        """Somebody else puts a new version there, which answers from then on."""
        version = self.new()
        shutil.copytree(self.versions.folder / str(version), self.place / str(version))
        (self.place / str(version)).rename(self.root / MODEL / str(version))
        self.must.add(str(version))
        async with connected(self.process.port) as (reader, writer):
            answer = b""
            while b'"version":"%d"' % version not in answer:
                status, _, answer = await ask(reader, writer, "/predict", self.versions.bodies[0])
                assert status == 200, answer
        self.done += 1

    async def half_an_upload(self) -> None:
        """All but the end of a body is sent; nothing of it may be there afterwards."""
        version = self.new()
        body = self.versions.archive(version)
        async with connected(self.process.port) as (reader, writer):
            head = f"POST /api/models?version={version} HTTP/1.1\r\nhost: localhost\r\n"
            head += f"content-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body[:-1])
            await writer.drain()
            await until(lambda: list(self.root.glob(".work-*/body")))
            self.done += 2
            assert await reader.read() == b""


@pytest.fixture
def server(tmp_path: Path, versions: Versions) -> Iterator[Callable[..., Server]]:
    """Start one; killed in the end if it still runs."""
    made: list[Server] = []

    def start(**settings: object) -> Server:
        made.append(Server(tmp_path, versions, settings))
        return made[-1]

    yield start
    for entry in made:
        if entry.process.process.poll() is None:
            entry.process.process.kill()
            entry.process.wait()


async def repeat(change: Callable[[], Awaitable[None]]) -> None:
    """One after the other, until the server is gone."""
    with contextlib.suppress(OSError, EOFError):
        while True:
            await change()


async def kill_during(
    server: Server, load: Pressure, change: Callable[[], Awaitable[None]], rng: random.Random
) -> None:
    """Kill the server at some moment of changes that follow one another, under load; see that all is well again."""
    goal = server.done + 2
    changing = asyncio.create_task(repeat(change))
    try:
        await until(lambda: changing.done() or server.done >= goal)
        assert not changing.done() or changing.exception() is None
        await asyncio.sleep(rng.random() * 0.05)  # whatever moment that is
        before = load.broken
        await asyncio.to_thread(server.killed)
        after = load.broken
        await changing
    finally:
        changing.cancel()
    await load.more()
    assert before < after == load.broken, "connections broke off that were not those of the killed process"
    await asyncio.to_thread(server.whole)


def test_killed_under_load(server: Callable[..., Server], versions: Versions) -> None:
    async def test() -> None:
        serving = server()
        rng = random.Random(11)
        load = Pressure(serving.process.port, versions.bodies, versions.right, pause=0.05)
        async with load.on(CONNECTIONS):
            await load.more()
            for change in (serving.upload, serving.half_an_upload, serving.delete, serving.load, serving.reload):
                await kill_during(serving, load, change, rng)
            assert load.wrong == []
            assert set(load.statuses) == {200}
        serving.process.stop()

    asyncio.run(test())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_fails_no_request(server: Callable[..., Server], versions: Versions, workers: int) -> None:
    async def test() -> None:
        serving = server(workers=workers)
        load = Pressure(serving.process.port, versions.bodies, versions.right)
        async with load.on(CONNECTIONS):
            await load.more(2000)
            load.last = True
            serving.process.signal(signal.SIGTERM)
            await asyncio.wait_for(asyncio.gather(*load.tasks), 60)
        assert load.wrong == []
        assert load.broken == 0
        assert [client.refused for client in load.clients] == [1] * CONNECTIONS
        assert set(load.statuses) == {200}
        assert await asyncio.to_thread(serving.process.wait) == 0

    asyncio.run(test())


def test_one_of_two_processes_is_killed(server: Callable[..., Server], versions: Versions) -> None:
    async def test() -> None:
        serving = server(workers=2)
        load = Pressure(serving.process.port, versions.bodies, versions.right, pause=0.02)
        async with load.on(CONNECTIONS):
            await load.more()
            workers = psutil.Process(serving.process.process.pid).children()
            victim, other = workers
            theirs = {at.raddr.port for at in victim.net_connections("tcp") if at.status == "ESTABLISHED" and at.raddr}
            hit = [client for client in load.clients if client.port in theirs]
            spared = [client for client in load.clients if client not in hit]
            assert hit
            assert spared
            victim.kill()
            await until(lambda: all(client.broken for client in hit))
            await load.more()
            assert [client.broken for client in spared] == [0] * len(spared)
            await until(lambda: len(serving.process.lines("ready")) == 3)
            now = {child.pid for child in psutil.Process(serving.process.process.pid).children()}
            assert other.pid in now
            assert victim.pid not in now
            assert len(now) == 2
            await load.more()
            assert load.wrong == []
            assert sum(client.broken + client.refused for client in spared) == 0
        serving.process.stop()

    asyncio.run(test())
