"""The other side of `WorkerRuntime`: loads one model and answers until the server hangs up.

Run as ``python -m mlaas4hep.inference.execution.worker_main FOLDER THREADS MEMORY LOAD_TIMEOUT`` with a socket as its
standard input.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlaas4hep.errors.text import first_line
from mlaas4hep.inference.execution.framing import FramingError, receive, send
from mlaas4hep.inference.execution.sandbox import confine

if TYPE_CHECKING:
    from mlaas4hep.frameworks.foreign import Native

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Load, say what was loaded, answer."""
    folder, threads, memory, load_timeout = Path(arguments[0]), *map(float, arguments[1:4])
    confine(int(memory))
    connection = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _alarm(load_timeout)
    try:
        from mlaas4hep.inference.execution.natives import open_native

        native = open_native(folder, int(threads))
        about = {"platform": native.platform, "batched": native.batched}
        specs = {
            side: [{"name": s.name, "dtype": s.dtype, "shape": s.shape, "columns": s.columns} for s in items]
            for side, items in (("inputs", native.inputs), ("outputs", native.outputs))
        }
    except MemoryError:
        send(connection, {"error": "the model needs more memory than a worker may take"}, {})
        return 1
    except Exception as error:  # frameworks raise anything
        send(connection, {"error": first_line(error)}, {})
        return 1
    send(connection, {**about, **specs}, {})
    with contextlib.suppress(EOFError, OSError, FramingError):
        while True:
            _alarm(None)
            _answer(connection, native, int(memory))
    return 0


def _answer(connection: socket.socket, native: Native, memory: int) -> None:
    head, inputs = receive(connection, memory)
    _alarm(head.get("timeout"))
    try:
        found = native.run(inputs)
        wanted = head.get("outputs")
        outputs = found if wanted is None else {name: found[name] for name in wanted}
    except MemoryError:
        send(connection, {"error": "it needs more memory than a worker may take"}, {})
        return
    except Exception as error:  # models raise anything
        send(connection, {"error": first_line(error)}, {})
        return
    send(connection, {}, outputs)


def _alarm(seconds: float | None) -> None:
    """Let the kernel end this process, should the server not be there any more to do so; None: never."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0 if seconds is None else 1.5 * seconds + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
