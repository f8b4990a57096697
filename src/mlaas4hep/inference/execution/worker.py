"""Models that have no ONNX form: each runs in a process of its own, which may die without harm to the server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import (
    BadRequestError,
    ModelFailedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec
from mlaas4hep.inference.execution import sandbox
from mlaas4hep.inference.execution.framing import FramingError, receive, send

__all__ = ["WorkerRuntime"]

MODULE: Final = "mlaas4hep.inference.execution.worker_main"


class WorkerRuntime:
    """A model in a worker process; a `Runtime`. Calls wait for each other, and the waiting counts for their time.

    The worker has no network, reads its model's folder and nothing else of the user's, and has a limit on memory. It is
    killed when a call takes too long, and started again by the next call.

    Args:
        folder: a bundle whose native model is served, or a folder with ``served.json``.
        threads: threads of one run.
        memory: bytes of address space of the worker.
        load_timeout: seconds in which the framework and the model must be loaded.

    Attributes:
        starting: the process is being started.

    Raises:
        ModelRefusedError: the model cannot be loaded.
        ModelTimeoutError: that takes too long.
        ModelFailedError: the worker died while loading.
    """

    platform: str
    starting: bool
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: bool

    def __init__(self, folder: Path, *, threads: int, memory: int, load_timeout: float) -> None:
        self._folder = folder
        self._threads = threads
        self._memory = memory
        self._load_timeout = load_timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._closed = False
        self.starting = False
        about = self._start()
        self.platform = str(about["platform"])
        self.batched = bool(about["batched"])
        self.inputs = tuple(_spec(item) for item in about["inputs"])
        self.outputs = tuple(_spec(item) for item in about["outputs"])

    @property
    def pid(self) -> int | None:
        """Process that leads the worker's process group; None while there is none."""
        return self._process.pid if self._process else None

    def run(
        self, inputs: Tensors, outputs: Sequence[str] | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Execute, see `Runtime.run`.

        Raises:
            BadRequestError: an input is of a type that cannot be sent.
        """
        begin = time.monotonic()
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            what = f"the model was busy for {timeout:g} s with other requests"
            raise ModelTimeoutError(what)
        try:
            if self._closed:
                what = "the model has been unloaded"
                raise ModelUnavailableError(what)
            if self._process is None:
                self._start()
                begin = time.monotonic()
            return self._ask(inputs, outputs, None if timeout is None else begin + timeout, timeout)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            self._closed = True
            self._kill()

    def _ask(
        self, inputs: Tensors, outputs: Sequence[str] | None, deadline: float | None, timeout: float | None
    ) -> dict[str, NDArray[Any]]:
        names = None if outputs is None else list(outputs)
        unknown = next((name for name, array in inputs.items() if array.dtype.kind not in "biufOUS"), None)
        if unknown is not None:
            what = f"{unknown} is of the type {inputs[unknown].dtype}, which no model takes"
            raise BadRequestError(what)
        head, arrays = self._talk({"outputs": names, "timeout": timeout}, inputs, deadline, timeout)
        if "error" in head:
            what = f"the model failed on this input: {head['error']}"
            raise ModelFailedError(what)
        return arrays

    def _talk(
        self, head: Mapping[str, Any], arrays: Tensors, deadline: float | None, timeout: float | None
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """One question, one answer. Whatever goes wrong on the way ends the worker."""
        connection = self._connection
        if connection is None:
            what = "the model's worker process is not running"
            raise ModelFailedError(what)
        try:
            if head:
                send(connection, head, {name: np.asarray(array) for name, array in arrays.items()}, deadline)
            return receive(connection, self._memory, deadline)
        except TimeoutError as error:
            self._kill()
            what = f"the model did not answer within {timeout:g} s"
            raise ModelTimeoutError(what) from error
        except (OSError, EOFError) as error:
            what = f"the model's worker process died ({self._kill()})"
            raise ModelFailedError(what) from error
        except FramingError as error:
            self._kill()
            what = f"the model's worker process sent nonsense ({error})"
            raise ModelFailedError(what) from error
        except BaseException:  # half a message may be on its way
            self._kill()
            raise

    def _start(self) -> dict[str, Any]:
        """Start the worker and wait until the model is loaded; what it says about the model."""
        self.starting = True
        try:
            return self._begin()
        finally:
            self.starting = False

    def _begin(self) -> dict[str, Any]:
        arguments = [str(self._folder.resolve()), str(self._threads), str(self._memory), str(self._load_timeout)]
        line = sandbox.command(MODULE, arguments, readable=[self._folder])
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    line,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=sandbox.environment(self._threads),
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                what = f"the model's worker process cannot be started ({error})"
                raise ModelFailedError(what) from error
        self._connection = ours
        limit = self._load_timeout
        head, _ = self._talk({}, {}, time.monotonic() + limit, limit)
        if "error" in head:
            self._kill()
            raise ModelRefusedError(str(head["error"]))
        return head

    def _kill(self) -> str:
        """End the worker and all its children; how it ended."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        process, self._process = self._process, None
        if process is None:
            return "it was not running"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)  # it may be about to say how it died
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        number = -code if code < 0 else code - 128
        try:
            return f"by signal {signal.Signals(number).name}" if number > 0 else f"exit code {code}"
        except ValueError:
            return f"exit code {code}"


def _spec(item: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(str(item["name"]), str(item["dtype"]), tuple(item["shape"]), tuple(item.get("columns", ())))
