"""One server process: from its settings to its graceful end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlaas4hep.inference.settings import Settings

if TYPE_CHECKING:
    from mlaas4hep.inference.grpc.gate import GrpcGate
    from mlaas4hep.inference.grpc.relay import Relay
    from mlaas4hep.inference.server import Server

__all__ = ["Place", "addresses", "run_process"]

LOG = logging.getLogger("mlaas4hep.serve")
AFTER = 5.0
POLLING = "-event_engine_listener"
"""gRPC's older way to wait for sockets: with fewer changes between threads, a small call costs half as much."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Of a process among those of a server.

    Attributes:
        worker: its name.
        folder: what they share; None: it is alone.
        parent: a descriptor that ends when the process that watches over it does; None: nobody does.
    """

    worker: str = "0"
    folder: Path | None = None
    parent: int | None = None


def addresses(settings: Settings, port: int, grpc_port: int | None) -> str:
    """The line that says where the server listens."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    secure = settings.tls.certificate is not None
    line = f"serving {settings.repository} at {'https' if secure else 'http'}://{host}:{port}{settings.base_path}"
    return line if grpc_port is None else f"{line} and {'grpcs' if secure else 'grpc'}://{host}:{grpc_port}"


def run_process(settings: Settings, place: Place, ready: Callable[[str, int, int | None], None]) -> int:
    """Serve in this process until a signal says to stop; the exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_EXPERIMENTS", POLLING)
    import uvloop

    from mlaas4hep.web.telemetry.logs import start_logs

    logs = start_logs(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_Process(settings, place, ready, logs.reopen).run())
    finally:
        logs.close()


class _Process:
    def __init__(
        self,
        settings: Settings,
        place: Place,
        ready: Callable[[str, int, int | None], None],
        reopen: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._place = place
        self._ready = ready
        self._reopen = reopen
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._gate: GrpcGate | None = None
        self._relay: Relay | None = None

    async def run(self) -> int:
        from mlaas4hep.inference.operation.assemble import build
        from mlaas4hep.web.certificates import Certificates
        from mlaas4hep.web.http.server import HttpServer
        from mlaas4hep.web.sockets import bind

        self._listen_to_signals()
        settings, shared = self._settings, self._place.folder is not None
        certificates = Certificates(settings.tls) if settings.tls.certificate else None
        listener = bind(settings.host, settings.port, shared=shared)
        calls = None if settings.grpc_port is None else bind(settings.host, settings.grpc_port, shared=shared)
        parts = build(settings, folder=self._place.folder, worker=self._place.worker)
        if not await self._unless_stopped(parts.server.start()):
            await parts.server.stop()
            listener.close()
            if calls is not None:
                calls.close()
            return 0
        if parts.authenticator is not None:
            self._tasks.append(asyncio.create_task(parts.authenticator.keep_fresh()))
        if certificates is not None:
            self._tasks.append(asyncio.create_task(_every(1.0, certificates.refresh)))
        if shared:
            self._tasks.append(asyncio.create_task(_every(1.0, parts.shares.publish)))
        http = HttpServer(parts.app, settings, parts.state, certificates)
        grpc = await self._grpc(parts, certificates, calls)
        port = listener.getsockname()[1]
        await http.start([listener])
        parts.state.ready = True
        self._tasks.append(asyncio.create_task(_freeze(parts.server)))
        grpc_port = self._relay.port if self._relay is not None else None
        self._ready(addresses(settings, port, grpc_port), port, grpc_port)
        LOG.info("ready")
        await self._stop.wait()
        LOG.info("stops")
        parts.state.ready = False
        if settings.notice:
            await asyncio.sleep(settings.notice)
        await asyncio.gather(http.stop(), self._stop_grpc(grpc))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if shared:
            parts.shares.publish()
        try:
            await asyncio.wait_for(parts.server.stop(), settings.drain + AFTER)
        except TimeoutError:
            LOG.error("models did not end in time")
        LOG.info("stopped")
        return 0

    async def _grpc(self, parts: Any, certificates: Any, listener: Any) -> Any:
        settings = self._settings
        if listener is None:
            return None
        from mlaas4hep.inference.grpc.gate import GrpcGate
        from mlaas4hep.inference.grpc.relay import Relay
        from mlaas4hep.inference.grpc.server import serve_grpc

        limits = settings.limits
        context = certificates.http2 if certificates else None
        self._gate = GrpcGate(parts.state, parts.authenticator, parts.rate)
        relay = self._relay = Relay(listener, parts.state, limits.connections, limits.read_timeout, context)
        made = await serve_grpc(parts.server, relay.inside, None, around=self._gate.around, max_message=limits.body)
        relay.start()
        return made

    async def _stop_grpc(self, grpc: Any) -> None:
        if grpc is None or self._gate is None or self._relay is None:
            return
        relay = self._relay
        await relay.refuse(self._settings.drain)
        await self._gate.stop(lambda: grpc.stop(self._settings.drain), lambda: relay.calls)
        relay.close()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self._reopen)
        if self._place.parent is not None:
            loop.add_reader(self._place.parent, self._orphaned)

    def _signalled(self, number: int) -> None:
        if self._stop.is_set():
            os._exit(128 + number)
        self._stop.set()

    def _orphaned(self) -> None:
        if self._place.parent is not None and not os.read(self._place.parent, 4096):
            asyncio.get_running_loop().remove_reader(self._place.parent)
            self._stop.set()

    async def _unless_stopped(self, work: Awaitable[None]) -> bool:
        """Do it, or leave it when a signal comes; True if it was done."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            await task
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False


async def _freeze(server: Server) -> None:
    """Keep what will stay out of garbage collections, which would hold up requests to look at it."""
    await server.loaded()
    gc.freeze()


async def _every(seconds: float, call: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            call()
        except OSError:
            LOG.exception("failed, will be tried again")
