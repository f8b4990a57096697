"""Signals that stop a command: the first lets it clean up, as Ctrl-C does; one more ends it at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import typer

from mlaas4hep.streaming.remote.waiting import hang_up, wait_again

__all__ = ["say_stopped", "stop_asked", "stop_code", "stopping"]

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ECHO = 1.0
"""Seconds in which signals count as one: `timeout` and batch systems send to a process and to its group."""
AGAIN = b"\xff"
"""To the watcher, which gets the numbers of signals otherwise."""
MOMENT = 0.01
_received: signal.Signals = signal.SIGINT
_said = False
_asked = False
_lost = False
"""The exception was dropped, or would have been: the next signal raises it again."""
_waker = -1
_usual_hook = sys.unraisablehook


def stop_code() -> int:
    """Return the exit code, as shells tell it."""
    return 128 + _received


def say_stopped(more: str = "") -> None:
    """Print one line, once, on what has stopped the command, and what can be done."""
    global _said  # noqa: PLW0603 - a process has its signals once
    if not _said:
        what = "interrupted" if _received == signal.SIGINT else f"stopped by {_received.name}"
        typer.secho(f"{what}{more}", fg="yellow", err=True)
    _said = True


def stop_asked() -> bool:
    """Return true once a signal has asked the command to stop, whatever has become of the exception."""
    return _asked


@contextmanager
def stopping() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, as SIGINT is; what is ignored (``nohup``) stays ignored.

    Reads that wait for a server fail at once. Python drops an exception raised while something is being deleted, or
    in a call from a library of C: then it is raised again. A second signal, more than a second after the first, ends
    the process even if it is in a call of a framework that does not come back. Where the handlers cannot be set,
    outside of the main thread, nothing changes.
    """
    global _received, _said, _asked, _lost, _waker, _usual_hook  # noqa: PLW0603 - a process has its signals once
    _received, _said, _asked, _lost = signal.SIGINT, False, False, False
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wait_again()
    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in STOPS}
    before = {number: handler for number, handler in before.items() if handler in usual}
    read, _waker = os.pipe()
    os.set_blocking(_waker, False)
    woken = signal.set_wakeup_fd(_waker, warn_on_full_buffer=False)
    _usual_hook, sys.unraisablehook = sys.unraisablehook, _dropped
    watcher = threading.Thread(target=_watch, args=(read, frozenset(before)), name="signals", daemon=True)
    watcher.start()
    for number in before:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        _lost = False
        sys.unraisablehook = _usual_hook
        signal.set_wakeup_fd(woken)
        os.close(_waker)
        watcher.join()  # before the handlers go: it may send one more signal
        os.close(read)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    """Stop, once: what cleans up is not disturbed; but not where Python would drop the exception."""
    global _received, _asked, _lost  # noqa: PLW0603 - a process has its signals once
    if _asked and not _lost:
        return
    if not _asked:
        _received = signal.Signals(number)
    _asked, _lost = True, False
    if _would_drop(frame):
        _again()
        return
    raise KeyboardInterrupt


def _would_drop(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_code is _dropped.__code__:
            return True
        frame = frame.f_back
    return False


def _dropped(unraisable: Any) -> None:
    """What Python cannot raise is told as usual, but for the stop."""
    if _asked and isinstance(unraisable.exc_value, KeyboardInterrupt):
        _again()
    else:
        _usual_hook(unraisable)


def _again() -> None:
    """Have the watcher ask once more, in a moment."""
    global _lost  # noqa: PLW0603 - a process has its signals once
    _lost = True
    os.write(_waker, AGAIN)


def _watch(read: int, numbers: frozenset[int]) -> None:
    """See signals also while the main thread is in a framework."""
    first: float | None = None
    own = 0
    while data := os.read(read, 64):
        for number in data:
            if number == AGAIN[0]:
                time.sleep(MOMENT)
                own += 1
                signal.pthread_kill(threading.main_thread().ident or 0, _received)
                continue
            if number not in numbers:
                continue
            if own and number == _received:
                own -= 1
                continue
            now = time.monotonic()
            if first is None:
                first = now
                hang_up()
            if now - first > ECHO:
                with suppress(OSError):
                    os.write(2, f"ended immediately by a second {signal.Signals(number).name}\n".encode())
                os._exit(128 + number)


def _as_usual() -> None:
    """In a forked child: signals do what they usually do, and are not told to the parent's watcher."""
    ours = [number for number in STOPS if signal.getsignal(number) is _stop]
    for number in ours:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if ours:
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_as_usual)
