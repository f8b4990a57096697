"""Several server processes on the same ports: started, restarted when they die, stopped together."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.operation.process import addresses
from mlaas4hep.inference.repository.owners import is_dead, work_name
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.sockets import hold
from mlaas4hep.web.telemetry.logs import start_logs

__all__ = ["supervise"]

LOG = logging.getLogger("mlaas4hep.serve")
PREFIX = "mlaas4hep-serve-"
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
STEADY = 60.0
AFTER = 10.0


def supervise(settings: Settings, say: Callable[[str], None]) -> int:
    """Serve with several processes until a signal says to stop; the exit code.

    Raises:
        ConfigError: a port is taken, or a process cannot start.
    """
    kept = []
    ports: list[int | None] = []
    for port in (settings.port, settings.grpc_port):
        if port is None:
            ports.append(None)
            continue
        if port:  # others with SO_REUSEPORT would not be noticed below
            hold(settings.host, port).close()
        kept.append(hold(settings.host, port, shared=True))
        ports.append(kept[-1].getsockname()[1])
    logs = start_logs(settings)
    folder = _own_folder()
    chosen = settings.model_copy(update={"port": ports[0], "grpc_port": ports[1]})
    try:
        return asyncio.run(_Supervisor(chosen, folder, say, logs.reopen).run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        logs.close()
        for place in kept:
            place.close()


def _own_folder() -> Path:
    """A new folder for what the processes share; those that killed supervisors of this user left behind are removed."""
    place = Path(tempfile.gettempdir())
    for other in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            facts = other.lstat()
            own = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
            if own and is_dead(other.name.removeprefix(PREFIX)):
                shutil.rmtree(other, ignore_errors=True)
    folder = place / f"{PREFIX}{work_name()}"
    folder.mkdir(mode=0o700)
    return folder


class _Supervisor:
    def __init__(
        self, settings: Settings, folder: Path, say: Callable[[str], None], reopen: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._say = say
        self._reopen = reopen
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._ready: set[str] = set()
        self._announced = False
        self._stop = asyncio.Event()
        self._failure: str | None = None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        names = [str(number) for number in range(self._settings.workers)]
        tasks = [asyncio.create_task(self._keep(name)) for name in names]
        await self._stop.wait()
        self._send(signal.SIGTERM)
        limit = self._settings.notice + 2 * self._settings.drain + AFTER
        _, late = await asyncio.wait(tasks, timeout=limit)
        if late:
            LOG.error("%d processes did not end in time", len(late))
            self._send(signal.SIGKILL)
            await asyncio.wait(late)
        if self._failure is not None:
            raise ConfigError(self._failure)
        return 1 if late else 0

    async def _keep(self, name: str) -> None:
        """Keep one process running until the stop."""
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            begin = time.monotonic()
            code = await self._once(name)
            if self._stop.is_set():
                return
            if not self._announced:
                self._failure = self._failure or f"a server process ended with code {code} before it was ready"
                self._stop.set()
                return
            pause = FIRST_PAUSE if time.monotonic() - begin > STEADY else min(2 * pause, LONGEST_PAUSE)
            LOG.error("process %s ended with code %s and is started again in %.3g s", name, code, pause)
            try:
                await asyncio.wait_for(self._stop.wait(), pause)
            except TimeoutError:
                continue

    async def _once(self, name: str) -> int:
        """Start a process and wait for its end; its code."""
        receiving, sending = os.pipe()
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(receiving, "rb")
        )
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "mlaas4hep.inference.operation.worker",
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(sending,),
                start_new_session=True,  # Ctrl+C is for the supervisor, which tells the others
            )
        finally:
            os.close(sending)
        self._processes[name] = process
        told = {
            "settings": self._settings.model_dump(mode="json"),
            "worker": name,
            "folder": str(self._folder),
            "messages": sending,
        }
        if process.stdin is not None:
            process.stdin.write(json.dumps(told).encode() + b"\n")
        if self._stop.is_set():
            process.send_signal(signal.SIGTERM)
        async for line in reader:
            self._told(name, json.loads(line))
        code = await process.wait()
        transport.close()
        self._ready.discard(name)
        del self._processes[name]
        return code

    def _told(self, name: str, message: dict[str, str]) -> None:
        if "failed" in message:
            LOG.error("process %s: %s", name, message["failed"])
            self._failure = self._failure if self._announced else message["failed"]
            return
        self._ready.add(name)
        if not self._announced and len(self._ready) == self._settings.workers:
            self._announced = True
            self._say(addresses(self._settings, self._settings.port, self._settings.grpc_port))

    def _signalled(self, number: int) -> None:
        if self._stop.is_set():
            self._send(signal.SIGKILL)
            os._exit(128 + number)
        self._stop.set()

    def _hang_up(self) -> None:
        self._reopen()
        self._send(signal.SIGHUP)

    def _send(self, number: signal.Signals) -> None:
        for process in list(self._processes.values()):
            if process.returncode is None:
                process.send_signal(number)
