"""Models that have no ONNX form: each runs in a process of its own, which may die without harm to the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import TypeAdapter

from mlaas4hep.errors.serving import (
    BadRequestError,
    ModelFailedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
    ServingError,
)
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec
from mlaas4hep.sandbox.process import ChildError, ChildProcess

__all__ = ["WorkerRuntime"]

SPECS = TypeAdapter(tuple[TensorSpec, ...])
LOAD: Final = "mlaas4hep.inference.execution.worker_model:load"


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
        self._process: ChildProcess | None = None
        self._closed = False
        self.starting = False
        _, about = self._start()
        self.platform = str(about["platform"])
        self.batched = bool(about["batched"])
        self.inputs, self.outputs = (SPECS.validate_python(about[side]) for side in ("inputs", "outputs"))

    @property
    def pid(self) -> int | None:
        """Return the process that leads the worker's process group; None while there is none."""
        return self._process.pid if self._process else None

    def run(
        self, inputs: Tensors, outputs: Sequence[str] | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Run the model, see `Runtime.run`.

        Raises:
            BadRequestError: an input is of a type that cannot be sent.
        """
        begin = time.monotonic()
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            raise ModelTimeoutError(f"the model was busy for {timeout:g} s with other requests")
        try:
            if self._closed:
                raise ModelUnavailableError("the model has been unloaded")
            process = self._process
            if process is None:
                process, _ = self._start()
                begin = time.monotonic()
            return self._run(process, inputs, None if outputs is None else list(outputs), begin, timeout)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            self._closed = True
            self._end()

    def _run(
        self, process: ChildProcess, inputs: Tensors, outputs: list[str] | None, begin: float, timeout: float | None
    ) -> dict[str, Any]:
        unknown = next((name for name, array in inputs.items() if array.dtype.kind not in "biufOUS"), None)
        if unknown is not None:
            raise BadRequestError(f"{unknown} is of the type {inputs[unknown].dtype}, which no model takes")
        given = {name: np.asarray(array) for name, array in inputs.items()}
        left = None if timeout is None else max(1e-3, begin + timeout - time.monotonic())
        try:
            return dict(process.ask({"outputs": outputs}, given, seconds=left)[1])
        except ChildError as error:
            raise self._failure(error, timeout) from error

    def _start(self) -> tuple[ChildProcess, dict[str, Any]]:
        """Start the worker and wait until the model is loaded; return the process and what it says about the model."""
        self.starting = True
        try:
            process = ChildProcess(LOAD, threads=self._threads, memory=self._memory, readable=[self._folder])
            self._process = process
            question = {"folder": str(self._folder.resolve()), "threads": self._threads}
            return process, process.ask(question, seconds=self._load_timeout)[0]
        except ChildError as error:
            if error.kind in {"late", "died"}:
                raise self._failure(error, self._load_timeout) from error
            self._end()
            what = str(error) if error.kind == "refused" else f"the model cannot be loaded ({error})"
            raise ModelRefusedError(what) from error
        finally:
            self.starting = False

    def _failure(self, error: ChildError, timeout: float | None) -> ServingError:
        """Return the error for the caller; a worker that is gone is forgotten."""
        if error.kind == "late":
            self._process = None
            return ModelTimeoutError(f"the model did not answer within {timeout:g} s")
        if error.kind == "died":
            self._process = None
            return ModelFailedError(f"the model's worker process died ({error})")
        return ModelFailedError(f"the model failed on this input: {error}")

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None
