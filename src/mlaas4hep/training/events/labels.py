"""From labels to a task, classes and targets."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.fields import Label
from mlaas4hep.config.sections.data import Sample
from mlaas4hep.errors import LabelError
from mlaas4hep.streaming.readers.tables.csv_header import is_number
from mlaas4hep.training.events.base import Task

__all__ = ["Labelling", "check_labels", "labelling"]

SIGNAL_WORDS = frozenset({"signal", "sig"})
SIGNAL_NAMES = SIGNAL_WORDS | {"s", "true", "yes"}
BACKGROUND_WORDS = frozenset({"background", "backgrounds", "bkg", "bkgs", "bkgd", "bkgr", "bgd", "bck", "bg"})
BACKGROUND_NAMES = BACKGROUND_WORDS | {"b", "false", "no"}
MOST_CLASSES = 100
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class Labelling:
    """What the model is to learn.

    Attributes:
        task: binary, multiclass or regression.
        classes: labels by class index, smallest first; binary: index 1 is the signal; empty for regression.
        text: true if labels are compared as text, because some are not numbers.
        guessed: true if the signal is the last of two names in the alphabet, for want of anything better.
    """

    task: Task
    classes: tuple[Label, ...]
    text: bool = False
    guessed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as text."""
        return tuple(str(label) for label in self.classes)

    def index(self, label: Hashable) -> int:
        """Class index of one label.

        Raises:
            LabelError: it is not one of the classes.
        """
        plain = _plain(label, text=self.text)
        if plain not in self.classes:
            raise LabelError(
                f"label {plain} is not a class of the model", hint=f"its classes are {_names(self.classes)}"
            )
        return self.classes.index(plain)

    def target(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Targets of labels [n]: int64 class indices, or float32 numbers for regression.

        Raises:
            LabelError: a label is unknown, or not a number where one is needed.
        """
        if self.task == "regression":
            try:
                values = labels.astype(np.float32)
            except (TypeError, ValueError) as error:
                raise LabelError(
                    "a label is not a number, but the task is regression", hint="give numbers as labels"
                ) from error
            if not np.isfinite(values).all():
                raise LabelError(
                    "a regression target is NaN or infinite", hint="cut such events away, e.g. isfinite(target)"
                )
            return values
        values, inverse = np.unique(labels, return_inverse=True)
        indices = np.array([self.index(value.item()) for value in values], dtype=np.int64)
        return indices[inverse]


def check_labels(samples: Sequence[Sample], label_branch: str | None, task: Task | None) -> None:
    """Refuse labels of samples that cannot work, before anything is read; where a branch holds labels, they can.

    Raises:
        LabelError: one class only, or no number where regression needs one.
    """
    if label_branch is not None:
        return
    labels = [sample.label for sample in samples]
    if task == "regression":
        for sample in samples:
            if isinstance(sample.label, str):
                raise LabelError(
                    f"label {sample.label!r} is not a number, but the task is regression",
                    where=sample.name,
                    hint="give a number, or a label_branch that holds the target",
                )
        return
    if len({str(label) for label in labels}) == 1:
        raise LabelError(
            f"all files have the label {labels[0]!r}: there is only one class",
            hint="give files of at least two classes, or a label_branch",
        )


def labelling(found: Sequence[Hashable], task: Task | None, signal: Label | None) -> Labelling:
    """Task and classes from all labels found.

    Numbers are sorted by value, names by alphabet. In a binary task the signal is the class asked for; else the one
    with a name like ``signal``; else the one beside a name like ``background``; else the greater one, which for names
    is a guess.

    Raises:
        LabelError: labels and task do not fit together.
    """
    if task == "regression":
        return Labelling("regression", ())
    if any(isinstance(label, float) and math.isnan(label) for label in found):
        raise LabelError("some events have no label (NaN)", hint="cut them away in the selection")
    text = any(isinstance(label, str) for label in found)
    if len(found) > MOST_CLASSES:
        raise LabelError(
            f"{len(found)} different labels", hint="set the task to regression if the label is a number to learn"
        )
    classes: list[Any] = sorted({_plain(label, text=text) for label in found})
    if len(classes) == 1:
        raise LabelError(f"only one class: every event has the label {classes[0]!r}", hint="at least two are needed")
    if any(isinstance(label, float) for label in classes):
        raise LabelError(
            f"label {next(label for label in classes if isinstance(label, float))} is not a whole number",
            hint="set the task to regression, or use whole numbers or names as class labels",
        )
    if task == "binary" and len(classes) != 2:
        raise LabelError(f"the task is binary, but there are {len(classes)} classes: {_names(classes)}")
    if task == "multiclass" or len(classes) > 2:
        if signal is not None:
            raise LabelError(
                f"signal {signal!r} is given, but the task is multiclass: {_names(classes)}",
                hint="leave it out, or give the other classes one label",
            )
        return Labelling("multiclass", tuple(classes), text)
    index, guessed = _signal(classes, signal, text=text)
    return Labelling("binary", tuple(sorted(classes, key=lambda label: label == classes[index])), text, guessed)


def _signal(classes: Sequence[Label], signal: Label | None, *, text: bool) -> tuple[int, bool]:
    """Index of the signal among two classes, and whether it is a guess."""
    names = [str(label) for label in classes]
    if signal is not None:
        wanted = str(_plain(signal, text=text))
        if wanted not in names:
            raise LabelError(f"signal {wanted} is not a class; the classes are {_names(classes)}")
        return names.index(wanted), False
    for whole, words, other in (
        (SIGNAL_NAMES, SIGNAL_WORDS, False),
        (BACKGROUND_NAMES, BACKGROUND_WORDS, True),
    ):
        for named in ([name.lower() in whole for name in names], [bool(words & _words(name)) for name in names]):
            if sum(named) == 1:
                return named.index(not other), False
    return 1, text and not all(is_number(name) for name in names)


def _words(name: str) -> frozenset[str]:
    """The words of a name in small letters: those of ``ttbar_Background2`` are ttbar and background."""
    return frozenset(word.lower() for word in _WORD.findall(name))


def _plain(label: Hashable, *, text: bool) -> Any:
    """Whole numbers of any type as int; text where one label is text."""
    if isinstance(label, bool):
        label = int(label)
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label) if text else label


def _names(classes: Sequence[Label]) -> str:
    return ", ".join(str(label) for label in classes)
