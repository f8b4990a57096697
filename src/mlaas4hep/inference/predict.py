"""Scores for every entry of any number of files, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.read import Bundle
from mlaas4hep.bundle.scoring import Scorer
from mlaas4hep.config.workflow import Reading, Sample
from mlaas4hep.errors import ConfigError
from mlaas4hep.features.columns import Jagged, select
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.matrix import raw_matrix
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.inference.output import open_writer
from mlaas4hep.streaming.branches import DEFAULT_IDENTIFIER, missing_branch
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.schedule import ordered_map, ranges_of, target_events

__all__ = ["Predicted", "predict_files", "score_names"]


@dataclass(frozen=True)
class Predicted:
    """What was written: entries in all, and those that pass the selection."""

    entries: int
    selected: int


def score_names(classes: Sequence[str], task: str) -> tuple[str, ...]:
    """Names of the score columns: ``score``, or ``score_<class>`` for more than two classes."""
    if task != "multiclass":
        return ("score",)
    return tuple(f"score_{''.join(c if c.isalnum() else '_' for c in name)}" for name in classes)


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
) -> Predicted:
    """Write one row for each entry of each file, in order.

    Columns: ``file`` (int32, position among the files), ``entry`` (int64), ``selected`` (bool, passes the bundle's
    cuts), the scores (float32, NaN where not selected), and the identifiers and the weight where all files have them.

    Args:
        bundle: the model.
        files: paths, URLs or logical names.
        output: ends in .root (tree ``scores``), .parquet or .csv.
        monitor: told about progress.
        tree: if it is not the one the model was trained on.
        reading: redirector, format, workers.
        threads: threads of the model's runtime.
        trust_code: run the ``model.py`` in the bundle, which a native torch model needs.
        overwrite: replace an existing output.

    Raises:
        MLaaS4HEPError: a file or branch is missing, or the output cannot be written; nothing half-written stays.
    """
    scorer = bundle.scorer(threads=threads, trust_code=trust_code)
    sample = Sample(name="files", files=tuple(files), label=None, weight=1.0)
    opened = open_files([sample], tree or bundle.manifest.tree, reading)
    try:
        job = _Job.of(bundle, scorer, sorted(opened, key=lambda file: file.index))
        selected = 0
        total = sum(file.source.entries for file in opened)
        with (
            open_writer(output, job.columns(), overwrite=overwrite) as writer,
            monitor.stage("predict", total) as advance,
        ):
            for rows in ordered_map(job.rows, job.tasks(), reading.workers):
                writer.write(rows)
                selected += int(rows["selected"].sum())
                advance(len(rows["entry"]), "")
    finally:
        close_files(opened)
    return Predicted(total, selected)


@dataclass(frozen=True)
class _Job:
    files: tuple[DataFile, ...]
    preprocessing: Preprocessing
    layout: Layout
    scorer: Scorer
    scores: tuple[str, ...]
    carried: dict[str, np.dtype[Any]]

    @staticmethod
    def of(bundle: Bundle, scorer: Scorer, files: Sequence[DataFile]) -> _Job:
        layout = bundle.layout
        preprocessing = Preprocessing.from_json(bundle.preproc.get("steps"))
        manifest = bundle.manifest
        for file in files:
            _check(file, preprocessing, layout)
        wanted = dict.fromkeys([*manifest.identifier, *DEFAULT_IDENTIFIER, bundle.preproc.get("weight_branch")])
        carried = {
            name: np.dtype(files[0].source.branches[name].dtype)
            for name in wanted
            if name
            and all(name in file.source.branches and file.source.branches[name].kind == "flat" for file in files)
        }
        names = score_names(manifest.classes, manifest.task)
        return _Job(tuple(files), preprocessing, layout, scorer, names, carried)

    def columns(self) -> dict[str, np.dtype[Any]]:
        """The columns of the output."""
        return {
            "file": np.dtype(np.int32),
            "entry": np.dtype(np.int64),
            "selected": np.dtype(np.bool_),
            **{name: np.dtype(np.float32) for name in self.scores},
            **self.carried,
        }

    def tasks(self) -> Iterator[tuple[DataFile, int, int]]:
        """All ranges of all files, in order."""
        target = target_events(1)
        for file in self.files:
            for start, stop in ranges_of(file.source.clusters, target):
                yield file, start, stop

    def rows(self, task: tuple[DataFile, int, int]) -> dict[str, NDArray[Any]]:
        """The rows of one range."""
        file, start, stop = task
        names = [branch.name for branch in self.layout.branches]
        needed = dict.fromkeys([*self.preprocessing.needed(names), *self.carried])
        columns = file.source.read(tuple(needed), start, stop)
        keep = np.asarray(self.preprocessing.passing(columns, stop - start).all(axis=0))
        computed = self.preprocessing.compute(columns, names, stop - start)
        chosen = {name: select(column, keep) for name, column in computed.items()}
        scores = np.full((stop - start, len(self.scores)), np.nan, dtype=np.float32)
        if keep.any():
            scores[keep] = self.scorer.scores(raw_matrix(chosen, self.layout.branches, int(keep.sum())))
        return {
            "file": np.full(stop - start, file.index, dtype=np.int32),
            "entry": np.arange(start, stop, dtype=np.int64),
            "selected": keep,
            **{name: scores[:, i] for i, name in enumerate(self.scores)},
            **{name: _plain(columns[name]).astype(dtype) for name, dtype in self.carried.items()},
        }


def _plain(column: NDArray[Any] | Jagged) -> NDArray[Any]:
    assert not isinstance(column, Jagged)
    return column


def _check(file: DataFile, preprocessing: Preprocessing, layout: Layout) -> None:
    branches = file.source.branches
    for name in preprocessing.needed([branch.name for branch in layout.branches]):
        if name not in branches:
            raise missing_branch(name, file.path, branches)
    for branch in layout.branches:
        found = branches.get(branch.name)
        if found is not None and found.kind != branch.kind:
            raise ConfigError(f"branch {branch.name} is {found.kind} here, {branch.kind} in training", where=file.path)
