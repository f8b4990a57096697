"""What is done to a range of entries: read, compute variables, cut, weigh, label, split. A pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.parts import EventSettings
from mlaas4hep.config.sections.events import Split
from mlaas4hep.errors import ExpressionError, LabelError, UnsupportedBranchError, WeightError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.cutflow import Cutflow
from mlaas4hep.features.expression.evaluate import LengthMismatchError
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.features.split import identity_hash, parts_of
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.ranges import FileRange
from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.scan.branches import BranchChoice

__all__ = ["Pipeline", "Selected"]

DROP_NEGATIVE = "weight >= 0"


@dataclass(frozen=True, eq=False)
class Selected:
    """The events of a range that pass all cuts.

    Attributes:
        columns: features (and nothing else), one column each, of all events of the range.
        index: which of them pass, positions in the columns, int64 [n], ascending.
        entry: entry number in the file, int64 [n].
        part: TRAIN, VALIDATION or TEST, int8 [n].
        weight: physics weight (file weight x branch), float64 [n].
        label: values of the label branch [n], None if the file has one label.
        cutflow: of all events of the range; a weight that is not a number counts as 0 in its sums.
        unweighted: events of the range whose weight is not a finite number; all are removed by the cuts.
    """

    columns: dict[str, Column]
    index: NDArray[np.int64]
    entry: NDArray[np.int64]
    part: NDArray[np.int8]
    weight: NDArray[np.float64]
    label: NDArray[Any] | None
    cutflow: Cutflow
    unweighted: int = 0

    def __len__(self) -> int:
        return len(self.entry)

    def where(self, keep: NDArray[np.bool_]) -> Selected:
        """Only some of the events."""
        return Selected(
            self.columns,
            self.index[keep],
            self.entry[keep],
            self.part[keep],
            self.weight[keep],
            None if self.label is None else self.label[keep],
            self.cutflow,
            self.unweighted,
        )


@dataclass(frozen=True)
class Pipeline:
    """All that decides what becomes of an event, apart from the files."""

    preprocessing: Preprocessing
    features: tuple[str, ...]
    identifier: tuple[str, ...]
    label_branch: str | None
    weight_branch: str | None
    negative: Literal["keep", "abs", "drop", "error"]
    split: Split
    missing: tuple[float, ...] = ()

    @staticmethod
    def of(branches: BranchChoice, settings: EventSettings) -> Pipeline:
        """Return the pipeline of the branches that were chosen by these settings."""
        return Pipeline(
            preprocessing=branches.preprocessing,
            features=branches.features,
            identifier=branches.identifier,
            label_branch=settings.label_branch,
            weight_branch=settings.weight_branch,
            negative=settings.negative,
            split=settings.split,
            missing=settings.missing,
        )

    @property
    def selects(self) -> bool:
        """True if some events may not pass."""
        return bool(self.preprocessing.cut_names) or self.negative == "drop"

    def counting(self, *, labels: bool) -> Pipeline:
        """The same selection without features and identifiers: it reads what cuts, weights and labels need, no more."""
        return replace(self, features=(), identifier=(), label_branch=self.label_branch if labels else None)

    @property
    def needed(self) -> tuple[str, ...]:
        """Branches that must be read (the label branch apart)."""
        names = [*self.features, *self.identifier, *([self.weight_branch] if self.weight_branch else [])]
        return self.preprocessing.needed(names)

    def __call__(self, task: FileRange) -> Selected:
        """Return the used events of a range; see `apply`."""
        selected = self.apply(task.file, task.start, task.stop)
        if task.most is None or len(selected) <= task.most:
            return selected
        return selected.where(np.arange(len(selected)) < task.most)

    def apply(self, file: DataFile, start: int, stop: int) -> Selected:
        """Read entries ``start`` to ``stop`` of a file and select among them.

        Raises:
            FileReadError: the file is damaged or cannot be reached.
            WeightError: an event passes the cuts whose weight is not a number, or negative where that is an error.
            LabelError: the label branch is jagged.
            ExpressionError: lists of different lengths are combined; says in which entry.
        """
        try:
            with file.blamed():
                return self._apply(file, start, stop)
        except LengthMismatchError as error:
            located = error.shifted(start)
            raise ExpressionError(located.what, where=file.path, hint=located.hint) from error

    def _apply(self, file: DataFile, start: int, stop: int) -> Selected:
        by_branch = self.label_branch is not None and file.sample.label is None
        columns = file.source.read(self._read_of(file) if by_branch else self.needed, start, stop)
        events = stop - start
        entry = np.arange(start, stop, dtype=np.int64)
        wanted = [*self.features, *self.identifier, *([self.weight_branch] if self.weight_branch else [])]
        computed = self.preprocessing.compute(columns, wanted, events)
        passing = self.preprocessing.passing(columns, events)
        cut: NDArray[np.bool_] = np.asarray(passing.all(axis=0))
        weight = self._weights(computed, file, entry, cut)
        names = list(self.preprocessing.cut_names)
        if self.negative == "drop":
            names.append(DROP_NEGATIVE)
            passing = np.concatenate([passing, (weight >= 0)[np.newaxis]])
        keep = np.flatnonzero(passing.all(axis=0))
        label = self._labels(columns, file, start, stop) if by_branch else None
        finite = np.isfinite(weight)
        return Selected(
            columns={name: computed[name] for name in self.features},
            index=keep,
            entry=entry[keep],
            part=self._parts(computed, file, entry)[keep],
            weight=weight[keep],
            label=None if label is None else label[keep],
            cutflow=Cutflow.of(names, passing, np.where(finite, weight, 0.0)),
            unweighted=events - int(np.count_nonzero(finite)),
        )

    def _weights(
        self, columns: Mapping[str, Column], file: DataFile, entry: NDArray[np.int64], cut: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Weights, float64 [n]; only events that pass the cuts (bool [n]) must have one that is allowed."""
        if self.weight_branch is None:
            weight = np.full(len(entry), file.sample.weight, dtype=np.float64)
        else:
            column = columns[self.weight_branch]
            if isinstance(column, Jagged):
                raise WeightError(
                    f"weight branch {self.weight_branch} is jagged", where=file.path, hint="use a flat branch"
                )
            weight = column.astype(np.float64) * file.sample.weight
        wrong = np.flatnonzero(cut & ~np.isfinite(weight))
        if len(wrong):
            raise WeightError(
                f"weight of entry {entry[wrong[0]]} is {weight[wrong[0]]}",
                where=f"{file.path}, branch {self.weight_branch}",
                hint="every event that passes the cuts needs a finite weight; cut such events away, "
                f"e.g. with the selection isfinite({self.weight_branch})",
            )
        if self.negative == "error" and (cut & (weight < 0)).any():
            at = int(np.flatnonzero(cut & (weight < 0))[0])
            raise WeightError(
                f"weight of entry {entry[at]} is negative ({weight[at]:g})",
                where=file.path,
                hint="set the policy for negative weights to keep, abs or drop",
            )
        return np.abs(weight) if self.negative == "abs" else weight

    def _read_of(self, file: DataFile) -> tuple[str, ...]:
        """What is read of a file whose labels are in a branch: all at once, but for labels that are text."""
        assert self.label_branch is not None
        branch = file.source.branches.get(self.label_branch)
        if branch is not None and branch.kind == "unsupported":
            return self.needed
        return tuple(dict.fromkeys([*self.needed, *self.preprocessing.needed_for([self.label_branch])]))

    def _labels(self, columns: Mapping[str, Column], file: DataFile, start: int, stop: int) -> NDArray[Any]:
        assert self.label_branch is not None
        branch = file.source.branches.get(self.label_branch)
        if branch is not None and branch.kind == "unsupported":
            return _text_labels(file, branch, start, stop)
        column = self.preprocessing.compute(columns, [self.label_branch], stop - start)[self.label_branch]
        if isinstance(column, Jagged):
            raise LabelError(f"label branch {self.label_branch} is jagged", where=file.path, hint="use a flat branch")
        return column

    def _parts(self, columns: Mapping[str, Column], file: DataFile, entry: NDArray[np.int64]) -> NDArray[np.int8]:
        if not self.identifier:
            hashes = identity_hash([entry.view(np.uint64)], self.split.seed, file=file.source.identity)
            return parts_of(hashes, self.split)
        values = [columns[name] for name in self.identifier]
        return parts_of(identity_hash([_flat(v, file.path) for v in values], self.split.seed), self.split)


def _text_labels(file: DataFile, branch: Branch, start: int, stop: int) -> NDArray[Any]:
    """Tables may hold names as labels."""
    read = getattr(file.source, "read_labels", None)
    try:
        if read is not None:
            labels: NDArray[Any] = read(branch.name, start, stop)
            return labels
    except UnsupportedBranchError:
        pass
    raise LabelError(
        f"label branch {branch.name} holds {branch.dtype}, not numbers",
        where=file.path,
        hint="use a branch of numbers, or one label per file",
    )


def _flat(column: Column, path: str) -> NDArray[Any]:
    if isinstance(column, Jagged):
        raise UnsupportedBranchError(
            "a jagged branch cannot identify an event", where=path, hint="choose flat branches"
        )
    return column
