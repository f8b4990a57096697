"""The data plane: from a request's names and values to the version that answers it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import BadRequestError, ModelNotFoundError, TooLargeError
from mlaas4hep.frameworks.tensors import Tensors
from mlaas4hep.inference.dataplane import Inferred, ModelInfo, Scored
from mlaas4hep.inference.models.looking import Looking
from mlaas4hep.inference.models.memory import Memory
from mlaas4hep.inference.models.served import Served
from mlaas4hep.inference.settings import Settings

__all__ = ["Plane"]


class Plane:
    """Implements `DataPlane` on the models in memory.

    Args:
        settings: limits, default model.
        memory: the models.
        looking: how to look for a model on disk that is not known yet.
    """

    def __init__(self, settings: Settings, memory: Memory, looking: Looking) -> None:
        self._memory = memory
        self._looking = looking
        self._default_model = settings.default_model
        self._rows = settings.limits.rows
        self._keys = settings.limits.keys

    async def score_events(
        self, model: str | None, events: Sequence[Mapping[str, Any]] | Mapping[str, Any], version: str = ""
    ) -> Scored:
        """See `DataPlane.score_events`."""
        if isinstance(events, Mapping):
            self._check_keys(len(events))
            first = next(iter(events.values()), ())
            self._check_rows(len(first) if hasattr(first, "__len__") else 0)
        else:
            self._check_rows(len(events))
        served = self._memory.pick(model or self._default(), version) or await self._find(model, version)
        scored = served.events(events)
        return scored if isinstance(scored, Scored) else await scored

    async def score_row(
        self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str = ""
    ) -> Scored:
        """See `DataPlane.score_row`."""
        scored = self.score_row_soon(model, keys, values, version)
        return scored if isinstance(scored, Scored) else await scored

    async def score_matrix(self, model: str | None, rows: NDArray[np.float32], version: str = "") -> Scored:
        """See `DataPlane.score_matrix`."""
        if rows.ndim != 2:
            raise BadRequestError(f"rows of the shape {list(rows.shape)} are given, [N, D] is expected")
        self._check_rows(len(rows))
        served = self._memory.pick(model or self._default(), version) or await self._find(model, version)
        scored = served.matrix(rows)
        return scored if isinstance(scored, Scored) else await scored

    async def infer(
        self, model: str, inputs: Tensors, outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred:
        """See `DataPlane.infer`."""
        inferred = self.infer_soon(model, inputs, outputs, version)
        return inferred if isinstance(inferred, Inferred) else await inferred

    def score_row_soon(
        self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str = ""
    ) -> Scored | Awaitable[Scored]:
        """See `DataPlane.score_row_soon`."""
        self._check_keys(len(keys))
        served = self._memory.pick(model or self._default(), version)
        return self._row_later(model, keys, values, version) if served is None else served.row(keys, values)

    def infer_soon(
        self, model: str, inputs: Tensors, outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred | Awaitable[Inferred]:
        """See `DataPlane.infer_soon`."""
        self._check_keys(len(inputs))
        for array in inputs.values():
            if array.ndim:
                self._check_rows(len(array))
        served = self._memory.pick(model or self._default(), version)
        return self._infer_later(model, inputs, outputs, version) if served is None else served.infer(inputs, outputs)

    async def score_elsewhere(self, model: str, version: str, work: Callable[[ModelInfo], Awaitable[int]]) -> ModelInfo:
        """See `DataPlane.score_elsewhere`."""
        info = self.info(model, version)
        statistics = self._memory.models[info.name].slots[info.version].statistics
        started = time.perf_counter_ns()
        try:
            rows = await work(info)
        except BaseException:
            statistics.failed(time.perf_counter_ns() - started)
            raise
        spent = time.perf_counter_ns() - started
        statistics.succeeded(rows, spent, 0, 0, spent)
        return info

    def info(self, model: str, version: str = "") -> ModelInfo:
        """See `DataPlane.info`."""
        name = model or self._default()
        found = self._memory.models.get(name)
        if found is None:
            raise ModelNotFoundError(f"there is no model {ascii(name[:128])[1:-1]}")
        return found.info(found.shown(version))

    def models(self) -> list[ModelInfo]:
        """See `DataPlane.models`."""
        return [model.info(slot) for _, model in sorted(self._memory.models.items()) for slot in model.ordered()]

    def statistics(self, model: str | None = None, version: str = "") -> list[dict[str, Any]]:
        """See `DataPlane.statistics`."""
        memory = self._memory.models
        if model and version:
            info = self.info(model, version)
            slots = [memory[info.name].slots[info.version]]
        elif model:
            slots = memory[self.info(model).name].ordered()
        else:
            slots = [slot for _, entry in sorted(memory.items()) for slot in entry.ordered()]
        return [{"name": slot.entry.name, "version": slot.entry.version, **slot.statistics.to_dict()} for slot in slots]

    def gauges(self) -> list[dict[str, Any]]:
        """For each version in memory: ``name``, ``version``, ``in_flight``, ``waiting``, ``inline_rows``.

        Requests under way, rows that wait, and up to how many rows are run in the event loop.
        """
        return [
            {
                "name": slot.entry.name,
                "version": slot.entry.version,
                "in_flight": slot.served.execution.in_flight,
                "waiting": slot.served.execution.waiting,
                "inline_rows": slot.served.execution.pace.rows,
            }
            for model in self._memory.models.values()
            for slot in model.slots.values()
            if slot.served is not None
        ]

    async def _row_later(self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str) -> Scored:
        scored = (await self._find(model, version)).row(keys, values)
        return scored if isinstance(scored, Scored) else await scored

    async def _infer_later(self, model: str, inputs: Tensors, outputs: Sequence[str] | None, version: str) -> Inferred:
        inferred = (await self._find(model, version)).infer(inputs, outputs)
        return inferred if isinstance(inferred, Inferred) else await inferred

    async def _find(self, model: str | None, version: str) -> Served:
        """The version after a look at the disk, or a load."""
        name = model or self._default()
        try:
            return await self._memory.ready(name, version)
        except ModelNotFoundError:
            if not await self._looking.is_new(name, version):
                raise
        return await self._memory.ready(name, version)

    def _default(self) -> str:
        """Name of the model for requests that name none."""
        name = self._looking.default_model or self._default_model
        if name:
            return name
        if len(self._memory.models) == 1:
            return next(iter(self._memory.models))
        raise BadRequestError("the request names no model, and there is no default one")

    def _check_rows(self, rows: int) -> None:
        if rows > self._rows:
            raise TooLargeError(f"{rows} rows are given, at most {self._rows} are allowed in a request")

    def _check_keys(self, keys: int) -> None:
        if keys > self._keys:
            raise TooLargeError(f"{keys} keys are given, at most {self._keys} are allowed")
