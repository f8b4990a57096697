"""The side of the parent: starts a child process, asks it, and says how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final, Literal

from mlaas4hep.sandbox.confinement import command, environment, method
from mlaas4hep.sandbox.messages import Arrays, MessageError, receive, send

__all__ = ["ChildError", "ChildProcess", "ask_once"]

MODULE: Final = "mlaas4hep.sandbox"
NO_MEMORY: Final = ("MemoryError", "bad_alloc", "annot allocate", "out of memory", "failed to map")
"""What libraries say when they get no more memory."""


class ChildError(Exception):
    """A child gave no answer.

    Attributes:
        kind: ``refused`` (an error of ours: its text is for the user), ``memory``, ``failed`` (anything else was
            raised), ``late``, ``died``.
        type: name of the class of what was raised.
    """

    def __init__(self, kind: Literal["refused", "memory", "failed", "late", "died"], text: str, type: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.type = type


class ChildProcess:
    """A process that runs `mlaas4hep.sandbox.child`. Whatever goes wrong on the way to an answer ends it.

    Args:
        place: the function that answers the first question, as module and name with a colon between.
        threads: threads of one operation.
        memory: bytes of address space, and of the arrays of a message.
        files: bytes of one file that it may write; None: no limit.
        readable: files and folders it may read, besides the system's and Python's.
        writable: folders it may write to; the first is for temporary files as well.
        variables: further environment; given, the process is not in the sandbox but has the network and all files.
        printed: file for what it prints; None: nowhere.

    Raises:
        ChildError: it cannot be started.
    """

    def __init__(
        self,
        place: str,
        *,
        threads: int,
        memory: int,
        files: int | None = None,
        readable: Sequence[Path] = (),
        writable: Sequence[Path] = (),
        variables: Mapping[str, str] | None = None,
        printed: IO[bytes] | None = None,
    ) -> None:
        arguments = [place, str(memory), str(files or 0)]
        if variables is None:
            # The kernel ends it with the thread that starts it, so only where that lives as long as the server.
            bound = threading.current_thread() is threading.main_thread()
            line = command(MODULE, arguments, readable=readable, writable=writable, die_with_parent=bound)
        else:
            line = [sys.executable, "-P", "-m", MODULE, *arguments]
        output = subprocess.DEVNULL if printed is None else printed
        temporary = str(writable[0].resolve()) if writable else "/tmp"
        self._memory = memory
        self._connection, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    line,
                    stdin=theirs.fileno(),
                    stdout=output,
                    stderr=output,
                    env={**environment(threads, temporary), **(variables or {})},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                self._connection.close()
                raise ChildError("died", f"it cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """The process that leads the child's process group."""
        return self._process.pid

    def ask(
        self, question: Mapping[str, Any], arrays: Arrays | None = None, *, seconds: float | None
    ) -> tuple[dict[str, Any], Arrays]:
        """Return the answer, JSON values and arrays by name.

        Args:
            question: JSON values.
            arrays: numbers, booleans or strings.
            seconds: until the answer has to be here; None: no limit.

        Raises:
            ChildError: there is none. The child lives on if it said so itself.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            send(self._connection, {"question": question, "seconds": seconds}, arrays or {}, deadline)
            head, found = receive(self._connection, self._memory, deadline)
        except TimeoutError as error:
            self.kill()
            raise ChildError("late", f"no answer within {seconds:g} s") from error
        except (OSError, EOFError) as error:
            raise ChildError("died", self.kill(patience=0.5)) from error
        except MessageError as error:
            self.kill()
            raise ChildError("died", f"it sent something other than an answer: {error}") from error
        except BaseException:  # half a message may be on its way
            self.kill()
            raise
        if "error" in head:
            kind: Any = "memory" if head["kind"] == "failed" and _no_memory(head["error"]) else head["kind"]
            raise ChildError(kind, head["error"], head.get("type", ""))
        answer: dict[str, Any] = head["answer"]
        return answer, found

    def kill(self, patience: float = 0.0) -> str:
        """End the child and all its children; return how it ended.

        Args:
            patience: seconds in which it may end by itself.
        """
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for the answer
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        number = -code if code < 0 else code - 128
        try:
            return f"by signal {signal.Signals(number).name}" if number > 0 else f"exit code {code}"
        except ValueError:
            return f"exit code {code}"


def _no_memory(text: str) -> bool:
    return any(word in text for word in NO_MEMORY)


async def ask_once(place: str, question: Mapping[str, Any], *, seconds: float, **options: Any) -> dict[str, Any]:
    """Start a child, ask it one question, and end it; a cancellation ends it as well.

    Args:
        place: see `ChildProcess`.
        question: JSON values.
        seconds: until the answer has to be here.
        **options: further arguments of `ChildProcess`.

    Raises:
        ChildError: there is no answer.
    """
    await asyncio.to_thread(method)  # may have to try
    with tempfile.TemporaryFile() as printed, contextlib.ExitStack() as stack:
        child = ChildProcess(place, printed=printed, **options)
        stack.callback(child.kill)
        pool = ThreadPoolExecutor(1)
        stack.callback(pool.shutdown, wait=False)
        try:
            future = asyncio.get_running_loop().run_in_executor(pool, lambda: child.ask(question, seconds=seconds))
            return (await future)[0]
        except ChildError as error:
            printed.seek(max(0, printed.seek(0, os.SEEK_END) - 4000))
            text = printed.read().decode("utf-8", errors="replace")
            if error.kind == "died" and _no_memory(text):
                raise ChildError("memory", "it needs more memory than it is allowed") from error
            if text and error.kind == "died":
                error.add_note(text)
            raise
