"""A version in memory, which answers requests."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.tensors import Tensors, row_names
from mlaas4hep.inference.answers import Inferred, Scored
from mlaas4hep.inference.events.featuriser import Featuriser
from mlaas4hep.inference.events.named import NamedColumns
from mlaas4hep.inference.events.tensors import RowForm, check_outputs, check_tensors
from mlaas4hep.inference.execution.execution import Execution
from mlaas4hep.inference.execution.statistics import VersionStatistics
from mlaas4hep.inference.model_info import Facts
from mlaas4hep.inference.repository.scan import VersionEntry

__all__ = ["LoadedVersion"]

Rows = NDArray[np.float32]
Clock = time.perf_counter_ns
Answer = TypeVar("Answer", Scored, Inferred)


class LoadedVersion:
    """A loaded version. Its methods must only be called in the event loop.

    Between the choice of a version and the call of its method there must be no await: it could be closed. What a method
    returns is the answer, or if that takes longer a coroutine, which has to be awaited.

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
        featuriser: Featuriser | None,
        form: RowForm,
        statistics: VersionStatistics,
    ) -> None:
        self.entry = entry
        self.facts = facts
        self.execution = execution
        self.featuriser = featuriser
        self.used = 0
        self._form = form
        self._statistics = statistics
        self._feature_input = facts.inputs[0].name if facts.inputs else ""
        self._outputs = [form.output] if form.output is not None and len(facts.outputs) > 1 else None
        self._classes = facts.classes
        self._rows: Featuriser | NamedColumns = featuriser or NamedColumns(row_names(facts.inputs))

    def events(self, events: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> Scored | Awaitable[Scored]:
        """Return the scores of records, or of columns."""
        rows = self._rows
        return self._scored(rows.columns if isinstance(events, Mapping) else rows.records, events)

    def row(self, keys: Sequence[str], values: Sequence[Any]) -> Scored | Awaitable[Scored]:
        """Return the scores of one event as keys and values."""
        return self._scored(self._rows.keys_values, keys, values)

    def matrix(self, rows: Rows) -> Scored | Awaitable[Scored]:
        """Return the scores of raw feature rows."""
        return self._scored(lambda: rows)

    def infer(self, inputs: Tensors, outputs: Sequence[str] | None) -> Inferred | Awaitable[Inferred]:
        """Return the outputs for tensors by name."""
        started = Clock()
        facts = self.facts
        try:
            if outputs is not None:
                check_outputs(outputs, facts.outputs)
            if self.featuriser is not None and self._feature_input not in inputs:
                inputs = {self._feature_input: self.featuriser.columns(inputs)}
            rows = check_tensors(inputs, facts.inputs, batched=facts.batched)
            found = self._at_once(inputs, rows, outputs, started)
        except BaseException:
            self._statistics.failed(Clock() - started)
            raise
        if found is None:
            return self._await(self._inferred(inputs, rows, outputs, started), started)
        return Inferred(found, self.entry.name, self.entry.version)

    def _scored(self, rows_of: Callable[..., Rows], *given: Any) -> Scored | Awaitable[Scored]:
        started = Clock()
        form = self._form
        try:
            rows = rows_of(*given)
            none = form.none(rows)
            if none is not None:
                return self._named(none)
            if form.alone and len(rows) != 1:
                return self._await(self._one_by_one(rows, started), started)
            tensors = form.tensors(rows)
            found = self._at_once(tensors, len(rows), self._outputs, started)
            if found is not None:
                return self._named(form.scores(found, len(rows)))
        except BaseException:
            self._statistics.failed(Clock() - started)
            raise
        return self._await(self._in_turn(tensors, len(rows), started), started)

    def _await(self, work: Coroutine[Any, Any, Answer], started: int) -> Coroutine[Any, Any, Answer]:
        """Return the work for the caller to await; until it ends the version is not closed."""
        self.execution.acquire()
        return self._released(work, started)

    async def _released(self, work: Awaitable[Answer], started: int) -> Answer:
        try:
            return await work
        except BaseException:
            self._statistics.failed(Clock() - started)
            raise
        finally:
            self.execution.release()

    async def _inferred(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None, started: int) -> Inferred:
        found = await self._run(inputs, rows, outputs, started)
        return Inferred(found, self.entry.name, self.entry.version)

    async def _in_turn(self, tensors: Tensors, rows: int, started: int) -> Scored:
        return self._named(self._form.scores(await self._run(tensors, rows, self._outputs, started), rows))

    async def _one_by_one(self, rows: Rows, started: int) -> Scored:
        form, parts = self._form, []
        for row in np.split(rows, len(rows)):
            parts.append(form.scores(await self._run(form.tensors(row), 1, self._outputs, started), 1))
        return self._named(np.concatenate(parts))

    def _named(self, scores: Rows) -> Scored:
        classes = self._classes if len(self._classes) == scores.shape[1] else self._form.columns
        return Scored(scores, classes, self.entry.name, self.entry.version)

    def _at_once(
        self, inputs: Tensors, rows: int, outputs: Sequence[str] | None, started: int
    ) -> dict[str, Any] | None:
        """Return the outputs, if the model may be run right here."""
        ready = Clock()
        execution = self.execution
        found = execution.inline(inputs, rows, outputs)
        if found is None:
            return None
        end = Clock()
        statistics = self._statistics
        statistics.executed(rows, end - ready, ready - started)
        execution.check_answer(found)
        statistics.succeeded(rows, end - started, ready - started, 0, end - ready)
        return found

    async def _run(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None, started: int) -> dict[str, Any]:
        found = self._at_once(inputs, rows, outputs, started)
        if found is not None:
            return found
        ready = Clock()
        found, queued, infer = await self.execution.run(inputs, rows, outputs)
        self.execution.check_answer(found)
        self._statistics.succeeded(rows, Clock() - started, ready - started, queued, infer)
        return found
