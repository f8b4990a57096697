"""A server process that a supervisor started.

Its settings come as one line of JSON on standard input, which stays open as long as the supervisor lives; it tells on a
descriptor of its own when it is ready, or why it cannot be.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlaas4hep.errors import MLaaS4HEPError

__all__ = ["Worker", "run_worker"]

USER_ERROR = 2


@dataclass(frozen=True)
class Worker:
    """One process among those of a server.

    Attributes:
        name: tells it from the others; the process that replaces it has the same.
        folder: what they share; None: it is alone.
        supervisor: a descriptor that ends when its supervisor does; None: it has none.
    """

    name: str = "0"
    folder: Path | None = None
    supervisor: int | None = None


def run_worker(run: Callable[[Any, Worker, Callable[[], None]], int]) -> int:
    """Run a process that a `Supervisor` started, and return its exit code.

    Args:
        run: serves until a signal says to stop and returns the exit code; takes the settings as JSON has them, what
            this process is among the others, and a function to call once requests are answered.
    """
    line = sys.stdin.readline()
    if not line.endswith("\n"):  # the supervisor has gone
        return USER_ERROR
    told = json.loads(line)

    def tell(**message: object) -> None:
        os.write(told["messages"], json.dumps(message).encode() + b"\n")

    try:
        return run(told["settings"], Worker(told["name"], Path(told["folder"]), 0), lambda: tell(ready=True))
    except (MLaaS4HEPError, OSError) as error:
        tell(failed=str(error))
        return USER_ERROR
