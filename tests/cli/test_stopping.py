"""A stop whose exception Python drops, as real processes: the command stops all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

DROPS = {
    "in a destructor": """
class Kept:
    def __del__(self):
        signal.raise_signal(number)
        done.append(self)
Kept()
""",
    "in a destructor that calls on": """
def inner():
    signal.raise_signal(number)
    done.append(1)
class Kept:
    def __del__(self):
        inner()
Kept()
""",
    "in a weak reference's callback": """
class Kept: pass
def callback(reference):
    done.append(1)
    signal.raise_signal(number)
kept = Kept()
reference = weakref.ref(kept, callback)
del kept
""",
    "in a callback from C": """
@ctypes.CFUNCTYPE(None)
def callback():
    done.append(1)
    signal.raise_signal(number)
callback()
""",
}

COMMAND = """
import ctypes, os, signal, sys, weakref
from mlaas4hep.cli import main as command
number = signal.Signals[sys.argv[1]]
done = []

def app(*arguments, **options):
    try:
        exec_body()
        while True:
            signal.pause()
    finally:
        print(len(done), flush=True)

def exec_body():
{body}

command.app = app
signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
command.main(["specs"])
"""


def process(body: str, number: str) -> subprocess.CompletedProcess[str]:
    """A command that does something and then waits for a signal."""
    call = [sys.executable, "-c", COMMAND.format(body=body), number]
    return subprocess.run(call, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("place", DROPS)
def test_a_stop_whose_exception_is_dropped_stops_all_the_same(place: str, number: str) -> None:
    """Without more to read than the one line; what was being deleted is deleted to its end."""
    body = "\n".join(f"    {line}" for line in DROPS[place].splitlines())
    result = process(body, number)
    word = "interrupted" if number == "SIGINT" else f"stopped by {number}"
    assert result.stderr == f"{word}\n"
    assert result.stdout == "1\n"


def test_an_error_because_of_a_stop_is_not_an_error() -> None:
    """Whatever a library makes of the exception."""
    body = """
    try:
        signal.raise_signal(number)
    except BaseException:
        raise OSError("the connection is closed")
"""
    result = process(body, "SIGTERM")
    assert (result.returncode, result.stderr) == (143, "stopped by SIGTERM\n")


def test_what_python_cannot_raise_otherwise_is_still_told() -> None:
    body = """
    class Kept:
        def __del__(self):
            raise ValueError("of the user's")
    Kept()
    os.kill(os.getpid(), number)
"""
    result = process(body, "SIGTERM")
    assert result.returncode == 143
    assert "ValueError: of the user's" in result.stderr
    assert result.stderr.splitlines()[-1] == "stopped by SIGTERM"
