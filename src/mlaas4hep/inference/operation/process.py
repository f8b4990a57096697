"""One server process: from its settings to its graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.processes.worker import Worker

if TYPE_CHECKING:
    from mlaas4hep.inference.server import Server

__all__ = ["AFTER", "addresses", "run_process"]

LOG = logging.getLogger("mlaas4hep.serve")
AFTER = 5.0
"""Seconds beyond `settings.drain` in which models have to end."""
POLLING = "-event_engine_listener"
"""gRPC's older way to wait for sockets: with fewer changes between threads, a small call costs half as much."""


def addresses(settings: Settings, port: int, grpc_port: int | None) -> str:
    """Return the line that says where the server listens."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    secure = settings.tls.certificate is not None
    line = f"serving {settings.repository} at {'https' if secure else 'http'}://{host}:{port}{settings.base_path}"
    return line if grpc_port is None else f"{line} and {'grpcs' if secure else 'grpc'}://{host}:{grpc_port}"


def run_process(settings: Settings, worker: Worker, ready: Callable[[str], None]) -> int:
    """Serve in this process until a signal says to stop, and return the exit code.

    Args:
        settings: of the server.
        worker: what this process is among others.
        ready: told where the server listens, once requests are answered.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_EXPERIMENTS", POLLING)
    import uvloop

    from mlaas4hep.web.telemetry.logs import start_logs

    logs = start_logs(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings, worker, ready, logs.reopen))
    finally:
        logs.close()


async def _serve(settings: Settings, worker: Worker, ready: Callable[[str], None], reopen: Callable[[], None]) -> int:
    from mlaas4hep.inference.grpc.listener import GrpcListener
    from mlaas4hep.inference.operation.assemble import build
    from mlaas4hep.web.certificates import Certificates
    from mlaas4hep.web.http.server import HttpServer
    from mlaas4hep.web.processes.signals import Signals
    from mlaas4hep.web.sockets import bind

    signals = Signals(reopen, worker.supervisor)
    shared = worker.folder is not None
    certificates = Certificates(settings.tls) if settings.tls.certificate else None
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bind(settings.host, settings.port, shared=shared))
        calls = None
        if settings.grpc_port is not None:
            calls = stack.enter_context(bind(settings.host, settings.grpc_port, shared=shared))
        parts = build(settings, folder=worker.folder, worker=worker.name)
        if not await signals.unless_stopped(parts.server.start()):
            await parts.server.stop()
            return 0
        http = HttpServer(parts.app, settings, parts.state, certificates)
        grpc = None if calls is None else GrpcListener(calls, settings, parts.state, parts.admission, certificates)
        work = [_freeze(parts.server)]
        if parts.authenticator is not None:
            work.append(parts.authenticator.keep_fresh())
        if certificates is not None:
            work.append(_every(1.0, certificates.refresh))
        if shared:
            work.append(_every(1.0, parts.shares.publish))
        if grpc is not None:
            await grpc.start(parts.server)
        port, grpc_port = listener.getsockname()[1], None if calls is None else calls.getsockname()[1]
        await http.start([listener])
        parts.state.ready = True
        tasks = [asyncio.create_task(one) for one in work]
        ready(addresses(settings, port, grpc_port))
        LOG.info("ready")
        await signals.stop.wait()
        LOG.info("stops")
        parts.state.ready = False
        await asyncio.sleep(settings.notice)
        await asyncio.gather(http.stop(), *([grpc.stop(settings.drain)] if grpc else []))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if shared:
            parts.shares.publish()
        try:
            await asyncio.wait_for(parts.server.stop(), settings.drain + AFTER)
        except TimeoutError:
            LOG.error("models did not end in time")
        LOG.info("stopped")
    return 0


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
