"""A version in memory, and what happens to one request for it."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.inference.dataplane import Inferred, Scored
from mlaas4hep.inference.failures import BadRequestError
from mlaas4hep.inference.plane.execution import Execution
from mlaas4hep.inference.plane.physics import Physics
from mlaas4hep.inference.plane.statistics import VersionStatistics
from mlaas4hep.inference.plane.tensors import RowForm, check_outputs, check_tensors
from mlaas4hep.inference.plane.values import numbers
from mlaas4hep.inference.repository.describe import Facts
from mlaas4hep.inference.repository.scan import VersionEntry
from mlaas4hep.inference.runtimes.base import Tensors, row_names

__all__ = ["Served"]

Rows = NDArray[np.float32]
Clock = time.perf_counter_ns


class Served:
    """A loaded version. Its methods must only be called in the event loop.

    Between the choice of a version and the call of its method there must be no await: it could be closed.

    Attributes:
        entry: what was loaded.
        facts: what clients may know.
        used: number of the last request, for the least recently used.
    """

    def __init__(
        self,
        entry: VersionEntry,
        facts: Facts,
        execution: Execution,
        physics: Physics | None,
        form: RowForm,
        statistics: VersionStatistics,
    ) -> None:
        self.entry = entry
        self.facts = facts
        self.execution = execution
        self.physics = physics
        self.used = 0
        self._form = form
        self._statistics = statistics
        self._feature_input = facts.inputs[0].name if facts.inputs else ""
        self._outputs = [form.output] if form.output is not None and len(facts.outputs) > 1 else None
        self._classes = facts.classes
        self._columns = row_names(facts.inputs)

    async def events(self, events: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> Scored:
        """Scores of records, or of columns."""
        physics = self.physics
        if physics is None:
            if isinstance(events, Mapping):
                return await self._scored(lambda: self._plain_columns(events))
            return await self._scored(lambda: self._plain_records(events))
        if isinstance(events, Mapping):
            return await self._scored(lambda: physics.columns(events))
        if len(events) == 1:
            event = events[0]
            return await self._scored(lambda: physics.row(event))
        return await self._scored(lambda: physics.records(events))

    async def row(self, keys: Sequence[str], values: Sequence[Any]) -> Scored:
        """Scores of one event as keys and values."""
        physics = self.physics
        if physics is not None:
            return await self._scored(lambda: physics.keys_values(keys, values))
        return await self._scored(lambda: self._plain_row(keys, values))

    async def matrix(self, rows: Rows) -> Scored:
        """Scores of raw feature rows."""
        return await self._scored(lambda: rows)

    async def infer(self, inputs: Tensors, outputs: Sequence[str] | None) -> Inferred:
        """Tensors in, tensors out."""
        started = Clock()
        execution, facts = self.execution, self.facts
        execution.acquire()
        try:
            if outputs is not None:
                check_outputs(outputs, facts.outputs)
            if self.physics is not None and self._feature_input not in inputs:
                inputs = {self._feature_input: self.physics.columns(inputs)}
            rows = check_tensors(inputs, facts.inputs, batched=facts.batched)
            found = await self._run(inputs, rows, outputs, started)
        except BaseException:
            self._statistics.failed(Clock() - started)
            raise
        finally:
            execution.release()
        return Inferred(found, self.entry.name, self.entry.version)

    async def _scored(self, rows_of: Callable[[], Rows]) -> Scored:
        started = Clock()
        execution, form = self.execution, self._form
        execution.acquire()
        try:
            rows = rows_of()
            if form.alone and len(rows) != 1:
                parts = []
                for row in np.split(rows, len(rows)) if len(rows) else ():
                    parts.append(form.scores(await self._run(form.tensors(row), 1, self._outputs, started), 1))
                scores = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
            else:
                found = await self._run(form.tensors(rows), len(rows), self._outputs, started)
                scores = form.scores(found, len(rows))
        except BaseException:
            self._statistics.failed(Clock() - started)
            raise
        finally:
            execution.release()
        classes = self._classes if len(self._classes) == scores.shape[1] else form.columns
        return Scored(scores, classes, self.entry.name, self.entry.version)

    async def _run(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None, started: int) -> dict[str, Any]:
        ready = Clock()
        execution = self.execution
        found = execution.inline(inputs, rows, outputs)
        if found is not None:
            end = Clock()
            self._statistics.executed(rows, end - ready, ready - started)
            execution.check_answer(found)
            self._statistics.succeeded(rows, end - started, ready - started, 0, end - ready)
            return found
        found, queued, infer = await execution.run(inputs, rows, outputs)
        execution.check_answer(found)
        self._statistics.succeeded(rows, Clock() - started, ready - started, queued, infer)
        return found

    def _plain_row(self, keys: Sequence[str], values: Sequence[Any]) -> Rows:
        """In the order of the model's names; by position if it has none, or no keys are given."""
        if keys and len(keys) != len(values):
            raise BadRequestError(f"{len(keys)} keys and {len(values)} values are given")
        given = dict(zip(keys, values, strict=False))
        if len(given) != len(keys):
            raise BadRequestError("keys are given more than once")
        names = self._columns
        if keys and names and names != tuple(keys):
            self._check_keys(given.keys())
            return self._numbers([[given[name] for name in names]])
        return self._numbers([values])

    def _check_keys(self, keys: Set[str]) -> None:
        """See that the keys are the model's names."""
        names = self._columns
        missing = [name for name in names if name not in keys]
        unknown = sorted(keys - set(names))
        if missing or unknown:
            parts = [f"keys are missing: {', '.join(missing[:10])}"] if missing else []
            parts += [f"the model has no {', '.join(ascii(name[:64]) for name in unknown[:10])}"] if unknown else []
            raise BadRequestError("; ".join(parts), hint=f"the keys must be {', '.join(names[:10])}")

    def _plain_records(self, events: Sequence[Mapping[str, Any]]) -> Rows:
        names = self._names()
        for index, event in enumerate(events):
            if getattr(event, "keys", set)() != set(names):
                raise BadRequestError(f"the keys must be {', '.join(names[:10])}", where=f"event {index}")
        return self._numbers([[event[name] for name in names] for event in events])

    def _plain_columns(self, events: Mapping[str, Any]) -> Rows:
        names = self._names()
        if events.keys() != set(names):
            raise BadRequestError(f"the keys must be {', '.join(names[:10])}")
        columns = [list(events[name]) for name in names]
        if len({len(column) for column in columns}) > 1:
            raise BadRequestError("the columns have different lengths")
        return self._numbers(list(zip(*columns, strict=True)))

    def _names(self) -> tuple[str, ...]:
        """Names of the values of a row, where the model has any."""
        if not self._columns:
            raise BadRequestError("this model knows no names of branches", hint="give its values by position")
        return self._columns

    def _numbers(self, rows: Sequence[Sequence[Any]]) -> Rows:
        width = len(rows[0]) if rows else 0
        if len(rows) == 1:
            try:
                return np.frombuffer(struct.pack(f"={width}f", *rows[0]), np.float32).reshape(1, width)
            except (struct.error, OverflowError, TypeError):
                pass  # the long way explains what is wrong
        for row in rows:
            if len(row) != width:
                raise BadRequestError(f"rows of {width} and of {len(row)} values are given")
        given = [value for row in rows for value in row]
        values = numbers("values", "float64", given, lambda index: f"event {index // width}, value {index % width}")
        return values.astype(np.float32).reshape(len(rows), width)
