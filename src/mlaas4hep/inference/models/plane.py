"""The data plane: the one path from a request, of whatever protocol, to the version that answers it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import BadRequestError, ModelNotFoundError, ServingError, TooLargeError
from mlaas4hep.frameworks.tensors import Tensors
from mlaas4hep.inference.answers import Inferred, Scored
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.models.loaded import LoadedVersion
from mlaas4hep.inference.models.polling import Polling
from mlaas4hep.inference.models.pool import Pool
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.telemetry.metrics import Metrics

__all__ = ["DataPlane"]

Answer = TypeVar("Answer", Scored, Inferred)
ANSWERS = (Scored, Inferred)


class DataPlane:
    """Answers requests from the models in memory, whatever the protocol. All errors are `ServingError`.

    Routes decode their bytes, call a method here, and encode what comes back. Choosing the version, the bundle's
    expressions and padding, checking shapes, batching, time limits and statistics happen behind these methods.
    ``version`` is a number, a label, or "" for the default (which applies the canary split).

    Args:
        settings: limits, default model.
        pool: the models.
        polling: how to look for a model on disk that is not known yet.
        metrics: counts and times predictions, by the model and version that answered.
    """

    def __init__(self, settings: Settings, pool: Pool, polling: Polling, metrics: Metrics) -> None:
        self._pool = pool
        self._polling = polling
        self._metrics = metrics
        self._default_model = settings.default_model
        self._rows = settings.limits.rows
        self._keys = settings.limits.keys

    async def score_events(
        self, model: str | None, events: Sequence[Any] | Mapping[str, Any], version: str = ""
    ) -> Scored:
        """Return the scores of events given by branch name: records (a list of dicts) or columns (a dict of lists).

        Values are raw: numbers, or lists for jagged branches. Missing and unknown keys are errors that name them.
        """
        if isinstance(events, Mapping):
            first = next(iter(events.values()), ())
            rows, keys = len(first) if hasattr(first, "__len__") else 0, len(events)
        else:
            rows, keys = len(events), max((len(event) for event in events if isinstance(event, Mapping)), default=0)
        return await _waited(self._ask(model, version, rows, keys, LoadedVersion.events, events))

    async def score_row(
        self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str = ""
    ) -> Scored:
        """Return the scores of one event given as keys and values in any order (TFaaS).

        For bundles the keys are branch names (values: numbers or lists), or feature columns (``Jet_pt[0]``, ...).
        For models that name their columns, or take several numbers by name, the keys are those names. For other models
        the values go by position, and the keys must be unique and of the same number.
        """
        return await _waited(self.score_row_soon(model, keys, values, version))

    async def score_matrix(self, model: str | None, rows: NDArray[np.float32], version: str = "") -> Scored:
        """Return the scores of raw feature rows, float32 [N, D], by position."""
        if rows.ndim != 2:
            raise BadRequestError(f"rows of the shape {list(rows.shape)} are given, [N, D] is expected")
        return await _waited(self._ask(model, version, len(rows), 0, LoadedVersion.matrix, rows))

    async def infer(
        self, model: str, inputs: Tensors, outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred:
        """Run a model on tensors given by name (Open Inference Protocol).

        A bundle also accepts its branches as inputs instead of ``features``: flat ones [N] or [N, 1]; jagged ones
        [N, length] padded with NaN.
        """
        return await _waited(self.infer_soon(model, inputs, outputs, version))

    def score_row_soon(
        self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str = ""
    ) -> Scored | Awaitable[Scored]:
        """Return what `score_row` does if it can be had at once, else something to await; both raise its errors."""
        return self._ask(model, version, 1, len(keys), LoadedVersion.row, keys, values)

    def infer_soon(
        self, model: str, inputs: Tensors, outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred | Awaitable[Inferred]:
        """Return what `infer` does if it can be had at once, else something to await; both raise its errors."""
        rows = 0
        for array in inputs.values():
            if array.ndim and len(array) > rows:
                rows = len(array)
        return self._ask(model, version, rows, len(inputs), LoadedVersion.infer, inputs, outputs)

    async def score_elsewhere(self, model: str, version: str, work: Callable[[ModelInfo], Awaitable[int]]) -> ModelInfo:
        """Count a prediction made in another process: the work, given the version, returns the number of rows."""
        started = time.perf_counter_ns()
        try:
            found = self._pool.model(model or self._default())
            slot = found.shown(version)
            info, statistics = found.info(slot), slot.statistics
            try:
                rows = await work(info)
            except BaseException:
                statistics.failed(time.perf_counter_ns() - started)
                raise
        except ServingError as error:
            self._failed(model, version, error)
            raise
        spent = time.perf_counter_ns() - started
        statistics.succeeded(rows, spent, 0, 0, spent)
        self._metrics.predicted(info.name, info.version, spent / 1e9)
        return info

    def info(self, model: str, version: str = "") -> ModelInfo:
        """Return what is known of a version. Raises ModelNotFoundError."""
        found = self._pool.model(model or self._default())
        return found.info(found.shown(version))

    def models(self) -> list[ModelInfo]:
        """Return all versions of all models, ready or not."""
        return [model.info(slot) for _, model in sorted(self._pool.models.items()) for slot in model.ordered()]

    def statistics(self, model: str | None = None, version: str = "") -> list[dict[str, Any]]:
        """Return counts and times as Triton's ModelStatistics has them, for each version."""
        if model:
            found = self._pool.model(model)
            slots = [found.shown(version)] if version else found.ordered()
        else:
            slots = [slot for _, found in sorted(self._pool.models.items()) for slot in found.ordered()]
        return [{"name": slot.entry.name, "version": slot.entry.version, **slot.statistics.to_dict()} for slot in slots]

    def gauges(self) -> list[dict[str, Any]]:
        """Return for each version in memory ``name``, ``version``, ``in_flight``, ``waiting``, ``inline_rows``.

        Requests under way, rows that wait, and up to how many rows are run in the event loop.
        """
        return [
            {
                "name": slot.entry.name,
                "version": slot.entry.version,
                "in_flight": slot.loaded.execution.in_flight,
                "waiting": slot.loaded.execution.waiting,
                "inline_rows": slot.loaded.execution.inline_limit.rows,
            }
            for model in self._pool.models.values()
            for slot in model.slots.values()
            if slot.loaded is not None
        ]

    def _ask(
        self,
        model: str | None,
        version: str,
        rows: int,
        keys: int,
        request: Callable[..., Answer | Awaitable[Answer]],
        *given: Any,
    ) -> Answer | Awaitable[Answer]:
        """Let a version answer a request, a method of `LoadedVersion`: at once, or if it has to be loaded, later."""
        start = time.perf_counter()
        try:
            if keys > self._keys:
                raise TooLargeError(f"{keys} keys are given, at most {self._keys} are allowed")
            if rows > self._rows:
                raise TooLargeError(f"{rows} rows are given, at most {self._rows} are allowed in a request")
            loaded = self._pool.pick(model or self._default(), version)
            answer = self._ask_found(model, version, request, *given) if loaded is None else request(loaded, *given)
            if isinstance(answer, ANSWERS):
                self._metrics.predicted(answer.model, answer.version, time.perf_counter() - start)
                return answer
        except ServingError as error:
            self._failed(model, version, error)
            raise
        return self._timed(model, version, answer, start)

    async def _ask_found(
        self, model: str | None, version: str, request: Callable[..., Answer | Awaitable[Answer]], *given: Any
    ) -> Answer:
        """Ask a version that is loaded first, or found by a look at the disk."""
        name = model or self._default()
        try:
            loaded = await self._pool.ready(name, version)
        except ModelNotFoundError:
            if not await self._polling.is_new(name, version):
                raise
            loaded = await self._pool.ready(name, version)
        return await _waited(request(loaded, *given))

    async def _timed(self, model: str | None, version: str, work: Awaitable[Answer], start: float) -> Answer:
        try:
            answer = await work
        except ServingError as error:
            self._failed(model, version, error)
            raise
        self._metrics.predicted(answer.model, answer.version, time.perf_counter() - start)
        return answer

    def _failed(self, model: str | None, version: str, error: ServingError) -> None:
        """Count a failure. Only names and versions that exist become labels: a client cannot fill the memory."""
        name = number = ""
        for asked in (version, "") if model else ():
            try:
                info = self.info(model or "", asked)
            except ServingError:
                continue
            name, number = info.name, info.version if asked == version else ""
            break
        self._metrics.failed(name, number, type(error).__name__)

    def _default(self) -> str:
        """Return the name of the model for requests that name none."""
        name = self._polling.default_model or self._default_model
        if name:
            return name
        if len(self._pool.models) == 1:
            return next(iter(self._pool.models))
        raise BadRequestError("the request names no model, and there is no default one")


async def _waited(answer: Answer | Awaitable[Answer]) -> Answer:
    return answer if isinstance(answer, ANSWERS) else await answer
