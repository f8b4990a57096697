"""Models run by ONNX Runtime in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlaas4hep.errors.serving import BadRequestError, ModelFailedError, ModelTimeoutError
from mlaas4hep.frameworks.onnx.memory import give_back, ran
from mlaas4hep.frameworks.onnx.session import NO_ROOM, open_session, run_options, short_message
from mlaas4hep.frameworks.onnx.specs import spec_of
from mlaas4hep.frameworks.onnx.watchdog import watchdog
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec, first_axis_free

__all__ = ["OnnxRuntime"]


class OnnxRuntime:
    """A loaded ONNX model; a `Runtime`.

    Args:
        path: the file, or its content.
        threads: threads of one run.
        batched: what is known of the first axis; None: true if it is symbolic in all inputs and outputs.
        specs: inputs and outputs of which more is known than the file says.
        memory: bytes that all ONNX models of the process may take to compute; the first model decides. None: no limit.

    Raises:
        ModelRefusedError: ONNX Runtime cannot load it, or it takes or gives something that cannot be served.
    """

    platform = "onnxruntime_onnx"

    def __init__(
        self,
        path: Path | bytes,
        threads: int = 1,
        *,
        batched: bool | None = None,
        specs: Sequence[TensorSpec] = (),
        memory: int | None = None,
    ) -> None:
        self._session: Any = open_session(path, threads, memory=memory, gpu=True)
        self._run = self._session.run
        self._limited = memory is not None
        known = {spec.name: spec for spec in specs}
        entries = [
            [known.get(entry.name) or spec_of(entry) for entry in side]
            for side in (self._session.get_inputs(), self._session.get_outputs())
        ]
        self.inputs, self.outputs = tuple(entries[0]), tuple(entries[1])
        self.batched = first_axis_free((*self.inputs, *self.outputs)) if batched is None else batched
        self._names = [spec.name for spec in self.outputs]
        self._free: list[Any] = []

    def run(
        self, inputs: Tensors, outputs: Sequence[str] | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Execute, see `Runtime.run`.

        Raises:
            BadRequestError: an input has a type or shape the model does not take.
        """
        names = self._names if outputs is None else list(outputs)
        begin = time.monotonic()
        try:
            found = self._once(names, inputs, timeout)
        except OutOfMemory as error:
            give_back()  # what other models left behind may be all that it lacks
            left = None if timeout is None else max(1e-3, begin + timeout - time.monotonic())
            try:
                found = self._once(names, inputs, left)
            except OutOfMemory:
                raise ModelFailedError(str(error)) from error
            finally:
                give_back()
        ran(time.monotonic() - begin)
        return found

    def close(self) -> None:
        """Give back the memory."""
        self._session = self._run = None
        self._free.clear()
        if self._limited:
            give_back()

    def _once(self, names: list[str], inputs: Tensors, timeout: float | None) -> dict[str, Any]:
        if timeout is None:
            try:
                return dict(zip(names, self._run(names, inputs, None), strict=True))
            except Exception as error:  # the bindings raise classes of their own, without a common base
                raise _failure(error) from error
        try:
            options = self._free.pop()
        except IndexError:
            options = run_options()
        watchdog.begin(options, timeout)
        try:
            values = self._run(names, inputs, options)
        except Exception as error:
            if not watchdog.end(options):
                what = f"the model did not answer within {timeout:g} s"
                raise ModelTimeoutError(what) from error
            self._free.append(options)
            raise _failure(error) from error
        if watchdog.end(options):
            self._free.append(options)
        return dict(zip(names, values, strict=True))


class OutOfMemory(ModelFailedError):
    """The run found no room in the arena."""


def _failure(error: Exception) -> BadRequestError | ModelFailedError:
    text = short_message(error)
    if text == NO_ROOM:
        return OutOfMemory(f"the model failed on this input: {text}")
    if type(error).__name__ == "InvalidArgument":
        return BadRequestError(text)
    return ModelFailedError(f"the model failed on this input: {text}")
