"""Several processes of one server: started, started again when they die, stopped together."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlaas4hep.errors import ConfigError
from mlaas4hep.web.processes.signals import Signals

__all__ = ["Supervisor"]

LOG = logging.getLogger("mlaas4hep.serve")
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
STEADY = 60.0
"""Seconds of life after which the end of a process is a first one again."""


class Supervisor:
    """Keeps processes running until a signal says to stop.

    Args:
        module: what each runs, as ``python -m``; it calls `worker.run_worker`.
        settings: of the server, as JSON can hold them.
        number: of processes.
        folder: what they share.
        patience: seconds that they have for a stop before they are killed.
        ready: called when all are ready for the first time.
        reopen: opens the log of this process anew.
    """

    def __init__(
        self,
        module: str,
        settings: dict[str, Any],
        number: int,
        folder: Path,
        patience: float,
        ready: Callable[[], None],
        reopen: Callable[[], None],
    ) -> None:
        self._module = module
        self._settings = settings
        self._names = [str(index) for index in range(number)]
        self._folder = folder
        self._patience = patience
        self._tell_ready = ready
        self._reopen = reopen
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._ready: set[str] = set()
        self._announced = False
        self._failure: str | None = None

    async def run(self) -> int:
        """Run them, and return the exit code.

        Raises:
            ConfigError: a process could not start.
        """
        self._stop = Signals(self._hang_up, at_once=lambda: self._send(signal.SIGKILL)).stop
        tasks = [asyncio.create_task(self._keep(name)) for name in self._names]
        await self._stop.wait()
        self._send(signal.SIGTERM)
        _, late = await asyncio.wait(tasks, timeout=self._patience)
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
        """Start a process, wait for its end and return its code."""
        receiving, sending = os.pipe()
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(receiving, "rb")
        )
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(sending,),
                start_new_session=True,  # Ctrl+C is for the supervisor, which tells the others
            )
        finally:
            os.close(sending)
        self._processes[name] = process
        told = {"settings": self._settings, "name": name, "folder": str(self._folder), "messages": sending}
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

    def _told(self, name: str, message: dict[str, Any]) -> None:
        if "failed" in message:
            LOG.error("process %s: %s", name, message["failed"])
            self._failure = self._failure if self._announced else message["failed"]
            return
        self._ready.add(name)
        if not self._announced and len(self._ready) == len(self._names):
            self._announced = True
            self._tell_ready()

    def _hang_up(self) -> None:
        self._reopen()
        self._send(signal.SIGHUP)

    def _send(self, number: signal.Signals) -> None:
        for process in list(self._processes.values()):
            if process.returncode is None:
                process.send_signal(number)
