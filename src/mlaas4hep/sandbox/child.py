"""The side of the child: answers questions until the parent hangs up.

Run as ``python -m mlaas4hep.sandbox MODULE:NAME MEMORY FILES`` with a socket as standard input. ``NAME`` is
called with the first question, and gives the answer, or `Loaded`, which answers all questions after the first.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.text import first_line
from mlaas4hep.sandbox.confinement import confine
from mlaas4hep.sandbox.messages import Arrays, MessageError, receive, send

__all__ = ["Loaded", "main"]

FULL = 0.8
"""Share of the memory from which on a failure may be for want of it."""

Answer: TypeAlias = tuple[dict[str, Any], Arrays]
"""JSON values, and arrays by name."""


@dataclass(frozen=True)
class Loaded:
    """What was loaded: the first answer, and a function of question and arrays that gives the later ones."""

    about: dict[str, Any]
    ask: Callable[[dict[str, Any], Arrays], Answer]


Handler: TypeAlias = Callable[[dict[str, Any], Arrays], Answer | Loaded]


def main(arguments: list[str]) -> int:
    """Answer until the parent closes its end."""
    place, memory, files = arguments[0], int(arguments[1]), int(arguments[2])
    confine(memory, files=files or None)
    connection = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    ask: Handler = _first(place)
    with contextlib.suppress(EOFError, OSError, MessageError):
        while True:
            _alarm(None)
            question, arrays = receive(connection, memory)
            _alarm(question["seconds"])
            try:
                found = ask(question["question"], arrays)
                if isinstance(found, Loaded):
                    ask, found = found.ask, (found.about, {})
            except MLaaS4HEPError as error:
                send(connection, {"error": str(error), "kind": "refused"}, {})
            except MemoryError:
                send(connection, {"error": "it needs more memory than it is allowed", "kind": "memory"}, {})
            except Exception as error:  # frameworks and models raise anything
                text = first_line(error) + _short_of_memory(memory)
                send(connection, {"error": text, "kind": "failed", "type": type(error).__name__}, {})
            else:
                send(connection, {"answer": found[0]}, found[1])
    return 0


def _first(place: str) -> Handler:
    """The function that answers the first question; its module is imported then."""
    module, _, name = place.partition(":")

    def ask(question: dict[str, Any], _: Arrays) -> Answer | Loaded:
        found = getattr(importlib.import_module(module), name)(question)
        return found if isinstance(found, Loaded) else (found, {})

    return ask


def _short_of_memory(memory: int) -> str:
    """Return a clause if most of the memory was in use: libraries that get no more fail in any way."""
    match = re.search(r"VmPeak:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    peak = int(match[1]) * 1024 if match else 0
    return f", with {peak >> 20} MiB of {memory >> 20} MiB of memory in use" if peak > memory * FULL else ""


def _alarm(seconds: float | None) -> None:
    """Let the kernel end this process, should the parent not be there any more to do so; None: never."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0 if seconds is None else 1.5 * seconds + 1)
