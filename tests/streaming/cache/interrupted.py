"""A run that uses the cache and is hit by a signal at one chosen step of the cache's code.

Started as a program by the tests: ``interrupted.py FOLDER SIGNAL UNIT FIRST STRIDE AGAIN``. For the step FIRST and each
STRIDE later it forks a process that runs `use` and sends itself SIGNAL at that step, and AGAIN steps later once more
unless that is 0. A step is a line, or a bytecode instruction if UNIT is ``opcode``. After each, the folder is as the
next run finds it, and is checked. The last line printed is the number of processes that were hit.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import mlaas4hep.streaming.cache
from mlaas4hep.streaming.cache import Cache, Json
from tests.streaming.cache.contents import KEY, OTHER, SHAPE, arrays, fill, same, whole

CODE = str(Path(mlaas4hep.streaming.cache.__file__).parent)
SET_INTERRUPT = ctypes.pythonapi.PyErr_SetInterrupt
SET_INTERRUPT.argtypes = [ctypes.py_object] * 3  # those of a tracing function; it ignores them
SET_INTERRUPT.restype = None
VALUE: Json = {"a": [1, 2, 3]}
LIMIT = 5000  # two of the entries, so that room must be made


def use(folder: Path) -> None:
    """All that a run does with the cache; at the end KEY and the document are there, and an older entry is not."""
    cache = Cache(folder, LIMIT, lambda _: None)
    if cache.document(KEY) is None:
        cache.store_document(KEY, VALUE)
    entry = cache.open(KEY, SHAPE)
    if entry is not None:
        with entry:
            assert same(entry.read(0), SHAPE, 0)
        return
    writer = cache.create(KEY, SHAPE)
    if writer is not None:
        with writer:
            thread = threading.Thread(target=writer.write, args=(3, arrays(SHAPE, 3)))
            thread.start()
            thread.join()
            assert writer.write(0, arrays(SHAPE, 0))
            assert same(writer.read(0), SHAPE, 0)
            assert writer.write(2, arrays(SHAPE, 2))
            assert writer.published


class Hits:
    """Sends this process a signal at some steps.

    A handler must not run in the tracing function: an interrupt would then come where Python never handles one, between
    the last instruction of a ``with`` block and its end, for instance. So what is called at the step is the C function
    with which Python's own C handler notes SIGINT, and Python handles it when it would have.

    Attributes:
        reached: steps that were reached.
        sent: interrupts that were handled.
    """

    def __init__(self, number: int, unit: str, steps: list[int]) -> None:
        self.reached = self.sent = 0
        self._number = number
        self._unit = unit
        self._steps = steps
        self._count = 0
        self._armed: FrameType | None = None
        signal.signal(signal.SIGINT, self._interrupt)
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(CODE):
            return None
        if self._unit == "opcode":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event != self._unit:
            return self._trace
        self._count += 1
        if self._count not in self._steps:
            return self._trace
        self.reached += 1
        if self._number == signal.SIGKILL:
            os.kill(os.getpid(), signal.SIGKILL)
        self._armed = frame
        return SET_INTERRUPT

    def _interrupt(self, *_: Any) -> None:
        self.sent += 1
        if self._armed is not None:
            self._armed.f_trace = self._trace
        if self.reached == len(self._steps):
            sys.settrace(None)
        raise KeyboardInterrupt


def prepare(folder: Path) -> None:
    """A cache with one older entry in it, and nothing under KEY."""
    cache = Cache(folder, LIMIT, lambda _: None)
    for path in folder.glob(f"{KEY}*"):
        path.unlink()
    if not (folder / f"{OTHER}.blocks").exists():
        fill(cache.create(OTHER, SHAPE))
    os.utime(folder / f"{OTHER}.blocks", (1, 1))


def check(folder: Path, *, killed: bool) -> None:
    """Nothing is left over, what is there is right, and the next run can do it all."""
    said: list[str] = []
    if not killed:
        assert not list(folder.glob("*.partial")), "the run left something"
    cache = Cache(folder, LIMIT, said.append)
    left = {path.name for path in folder.iterdir()}
    assert left <= {"CACHEDIR.TAG", f"{KEY}.blocks", f"{KEY}.document", f"{OTHER}.blocks"}, left
    assert (folder / f"{KEY}.blocks").exists() == whole(cache.open(KEY, SHAPE)), said
    assert cache.document(KEY) == (VALUE if (folder / f"{KEY}.document").exists() else None), said
    use(folder)
    assert whole(cache.open(KEY, SHAPE))
    assert cache.document(KEY) == VALUE
    assert not said, said


def main(folder: Path, number: int, unit: str, first: int, stride: int, again: int) -> None:
    """See above."""
    done = 0
    step = first
    while True:
        prepare(folder)
        child = os.fork()
        if not child:
            hits = Hits(number, unit, [step, step + again] if again else [step])
            with suppress(KeyboardInterrupt):
                with suppress(KeyboardInterrupt):  # the second one may come while the first is handled
                    use(folder)
                sys.settrace(None)
            sys.settrace(None)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.exit(1 + hits.sent if hits.reached else 0)  # in the ordinary way
        status = os.waitpid(child, 0)[1]
        if status == 0:  # the run has fewer steps
            break
        if number == signal.SIGKILL:
            assert os.WIFSIGNALED(status), (step, status)
            done += 1
        else:
            assert os.WIFEXITED(status), (step, status)
            done += os.WEXITSTATUS(status) > 1
        check(folder, killed=number == signal.SIGKILL)
        step += stride
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], *(int(text) for text in sys.argv[4:7]))
