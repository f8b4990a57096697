"""Signals that stop a command: the first lets it clean up, as Ctrl-C does; one more ends it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import typer

__all__ = ["say_stopped", "stop_code", "stopping"]

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ECHO = 1.0
"""Seconds in which signals count as one: `timeout` and batch systems send to a process and to its group."""
_received: signal.Signals = signal.SIGINT
_said = False


def stop_code() -> int:
    """The exit code, as shells tell it."""
    return 128 + _received


def say_stopped(more: str = "") -> None:
    """Print one line, once, on what has stopped the command, and what can be done."""
    global _said  # noqa: PLW0603 - a process has its signals once
    if not _said:
        what = "interrupted" if _received == signal.SIGINT else f"stopped by {_received.name}"
        typer.secho(f"{what}{more}", fg="yellow", err=True)
    _said = True


@contextmanager
def stopping() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, as SIGINT is; what is ignored (``nohup``) stays ignored.

    A second signal, more than a second after the first, ends the process even if it is in a call of a framework that
    does not come back. Where the handlers cannot be set, outside of the main thread, nothing changes.
    """
    global _received, _said
    _received, _said = signal.SIGINT, False
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in STOPS}
    before = {number: handler for number, handler in before.items() if handler in usual}
    read, write = os.pipe()
    os.set_blocking(write, False)
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(read, frozenset(before)), name="signals", daemon=True)
    watcher.start()
    for number in before:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        os.close(write)
        watcher.join()
        os.close(read)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as the system calls it
    global _received  # noqa: PLW0603 - a process has its signals once
    for other in STOPS:  # nothing disturbs the cleaning up but the watcher
        if signal.getsignal(other) is _stop:
            signal.signal(other, _wait)
    _received = signal.Signals(number)
    raise KeyboardInterrupt


def _wait(number: int, frame: FrameType | None) -> None:
    """Nothing: the first signal has done it."""


def _watch(read: int, numbers: frozenset[int]) -> None:
    """See signals also while the main thread is in a framework."""
    first: float | None = None
    while data := os.read(read, 64):
        for number in data:
            if number not in numbers:
                continue
            now = time.monotonic()
            first = first or now
            if now - first > ECHO:
                with suppress(OSError):
                    os.write(2, f"ended at once by a second {signal.Signals(number).name}\n".encode())
                os._exit(128 + number)


def _as_usual() -> None:
    """In a forked child: signals do what they usually do, and are not told to the parent's watcher."""
    ours = [number for number in STOPS if signal.getsignal(number) in {_stop, _wait}]
    for number in ours:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if ours:
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_as_usual)
