"""Scores for every entry of any number of files, streamed."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.read import Bundle
from mlaas4hep.config.sections.data import Reading, Sample
from mlaas4hep.errors import ExpressionError, FileReadError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.features.expression.evaluate import LengthMismatchError
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.matrix import raw_matrix
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.features.statistics.outside import Outside, Ranges
from mlaas4hep.prediction.function import function_of
from mlaas4hep.prediction.output import open_writer
from mlaas4hep.prediction.scoring import Scoring
from mlaas4hep.streaming.bad_files import BadFiles
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile, opened
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.ranges import FileRange, file_ranges
from mlaas4hep.streaming.scan.branches import DEFAULT_IDENTIFIER, check_inputs, names_event

__all__ = ["Predicted", "predict_files", "score_names"]

FIXED: dict[str, np.dtype[Any]] = {
    "file": np.dtype(np.int32),
    "entry": np.dtype(np.int64),
    "selected": np.dtype(np.bool_),
}


@dataclass(frozen=True)
class Predicted:
    """What was written: entries in all, and those that pass the selection; what of them no training event was like."""

    entries: int
    selected: int
    outside: Outside = field(default_factory=Outside)


def score_names(classes: Sequence[str], task: str) -> tuple[str, ...]:
    """Return names of the score columns: ``score``, or ``score_<class>`` for more than two classes; all different."""
    if task != "multiclass":
        return ("score",)
    names: list[str] = []
    for text in classes:
        names.append(_free(f"score_{''.join(c if c.isalnum() else '_' for c in text)}", names))
    return tuple(names)


def predict_files(
    bundle: Bundle,
    files: Sequence[str],
    output: Path,
    monitor: Monitor,
    *,
    tree: str | None = None,
    reading: Reading,
    threads: int | None = None,
    trust_code: bool = False,
    overwrite: bool = False,
    executor: Executor | None = None,
    bad: BadFiles | None = None,
) -> Predicted:
    """Write one row for each entry of each file, in order.

    Columns: ``file`` (int32, position among the files), ``entry`` (int64), ``selected`` (bool, passes the bundle's
    cuts), the scores (float32, of every entry; NaN where the bundle's ``preprocessing`` removes the event), and the
    identifiers and the weight where all files have what they need (with ``_`` behind a name that is one of the columns
    above).

    Args:
        bundle: the model.
        files: paths, URLs or logical names.
        output: ends in .root (tree ``scores``), .parquet or .csv.
        monitor: told about progress.
        tree: if it is not the one the model was trained on.
        reading: redirector, format, workers.
        threads: threads of the model's runtime.
        trust_code: run the ``preprocessing.py`` in the bundle, and the ``model.py`` that a native torch model needs.
        overwrite: replace an existing output.
        executor: reads and scores the ranges. Default: as many threads as ``reading`` says.
        bad: told of files that are left out; None: no matter which.

    Raises:
        MLaaS4HEPError: a file or branch is missing, or the output cannot be written; nothing half-written stays.
    """
    for file in files:
        if any("\ud800" <= sign <= "\udfff" for sign in file):
            raise FileReadError("the name is not UTF-8", where=file, hint="rename the file, or give a link to it")
    function = function_of(bundle, trust_code=trust_code)
    scoring = Scoring(bundle, threads=threads, trust_code=trust_code)
    sample = Sample(name="files", files=tuple(files), label=None, weight=1.0)
    tree = tree or bundle.manifest.tree
    bad = BadFiles(reading) if bad is None else bad
    executor = executor or bad.executor(reading.threads)

    def written(sources: tuple[DataFile, ...]) -> Predicted:
        job = _RangeRows.of(bundle, scoring, sources)
        tasks = file_ranges(sources, len(job.layout.branches), together=1)
        selected, outside = 0, Outside()
        total = sum(file.source.entries for file in sources)
        with (
            open_writer(output, job.columns(), overwrite=overwrite) as writer,
            monitor.stage("predict", total) as advance,
        ):
            for rows, found in executor.map(job, tasks):
                writer.write(rows)
                outside.add(found)
                selected += int(rows["selected"].sum())
                advance(len(rows["entry"]), "")
        return Predicted(total, selected, outside)

    with opened([sample], tree, reading, twins=True, note=monitor.note, function=function, bad=bad) as sources:
        done = bad.settled(tuple(sorted(sources, key=lambda file: file.index)), written)
    warning = done.outside.warning()
    if warning:
        monitor.warn(warning)
    return done


@dataclass(frozen=True)
class _RangeRows:
    """Reads and scores a range; ``carried`` has the name in the output and the type of each branch to be copied."""

    preprocessing: Preprocessing
    layout: Layout
    scoring: Scoring
    scores: tuple[str, ...]
    carried: dict[str, tuple[str, np.dtype[Any]]]
    ranges: Ranges

    @staticmethod
    def of(bundle: Bundle, scoring: Scoring, files: Sequence[DataFile]) -> _RangeRows:
        manifest = bundle.manifest
        kinds = {branch.name: branch.kind for branch in manifest.inputs if branch.expression is None}
        for file in files:
            check_inputs(file, kinds)
        preprocessing = Preprocessing.from_json(bundle.preproc.get("steps"))
        scores = score_names(manifest.classes, manifest.task)
        carried: dict[str, tuple[str, np.dtype[Any]]] = {}
        weight = bundle.preproc.get("weight_branch")
        known = [*DEFAULT_IDENTIFIER, *(name for file in files for name in file.source.branches if names_event(name))]
        for name in dict.fromkeys([*manifest.identifier, *known, *([str(weight)] if weight else [])]):
            dtype = _type(name, preprocessing, files)
            if dtype is not None:
                taken = [*FIXED, *scores, *(column for column, _ in carried.values())]
                carried[name] = (_free(name, taken), dtype)
        ranges = Ranges.of(bundle.layout, bundle.specs.get("branches") or {})
        return _RangeRows(preprocessing, bundle.layout, scoring, scores, carried, ranges)

    def columns(self) -> dict[str, np.dtype[Any]]:
        """Return the columns of the output."""
        return {
            **FIXED,
            **{name: np.dtype(np.float32) for name in self.scores},
            **dict(self.carried.values()),
        }

    def __call__(self, task: FileRange) -> tuple[dict[str, NDArray[Any]], Outside]:
        """Return the rows of a range, and what of its selected events lies outside of the range of the training."""
        file, start, stop, events = task.file, task.start, task.stop, len(task)
        names = [branch.name for branch in self.layout.branches]
        with file.blamed():
            columns = file.source.read(self.preprocessing.needed([*names, *self.carried]), start, stop)
        try:
            keep = np.asarray(self.preprocessing.passing(columns, events).all(axis=0))
            computed = self.preprocessing.compute(columns, [*names, *self.carried], events)
        except LengthMismatchError as error:
            located = error.shifted(start)
            raise ExpressionError(located.what, where=file.path, hint=located.hint) from error
        raw = raw_matrix(computed, self.layout.branches, events, missing=self.layout.missing)
        scores = self.scoring(raw)
        if file.source.computed is not None:
            scores = np.where(_plain(columns[file.source.computed.kept])[:, np.newaxis], scores, np.float32(np.nan))
        rows: dict[str, NDArray[Any]] = {
            "file": np.full(events, file.index, dtype=np.int32),
            "entry": np.arange(start, stop, dtype=np.int64),
            "selected": keep,
            **{name: scores[:, i] for i, name in enumerate(self.scores)},
            **{name: _plain(computed[branch]).astype(dtype) for branch, (name, dtype) in self.carried.items()},
        }
        return rows, self.ranges.count(raw if keep.all() else raw[keep])


def _type(name: str, preprocessing: Preprocessing, files: Sequence[DataFile]) -> np.dtype[Any] | None:
    """Type of a branch or variable that can be copied from all files; None if it cannot."""
    branches = [file.source.branches for file in files]
    if name in preprocessing.variable_kinds:
        there = all(needed in found for found in branches for needed in preprocessing.needed_for([name]))
        return np.dtype(np.float64) if there and preprocessing.variable_kinds[name] == "flat" else None
    if all(name in found and found[name].kind == "flat" for found in branches):
        return np.result_type(*(found[name].dtype for found in branches))
    return None


def _free(name: str, taken: Container[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _plain(column: NDArray[Any] | Jagged) -> NDArray[Any]:
    assert not isinstance(column, Jagged)
    return column
