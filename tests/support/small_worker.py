"""A server process that serves nothing: what a supervisor starts, without a server around it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

from mlaas4hep.errors import ConfigError
from mlaas4hep.web.processes.signals import Signals
from mlaas4hep.web.processes.worker import Worker, run_worker


def run(settings: dict[str, Any], worker: Worker, ready: Callable[[], None]) -> int:
    """Leave a file with the number of the process under the worker's name, then wait for a signal."""
    assert worker.folder is not None
    if settings["kind"] == "failing" and worker.name == "1":
        msg = "it cannot start"
        raise ConfigError(msg)

    async def serve() -> None:
        signals = Signals(lambda: None, worker.supervisor)
        ready()
        await signals.stop.wait()
        if settings["kind"] == "stubborn":
            await asyncio.Event().wait()

    (worker.folder / worker.name).write_text(str(os.getpid()))
    asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(run_worker(run))
