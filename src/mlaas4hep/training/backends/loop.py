"""What all trainings by passes share: learning curves, early stopping, checkpoints and resuming."""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.backends.files import fixed_zip, unpack, write_beside
from mlaas4hep.training.backends.passes import Pass, passes
from mlaas4hep.training.events.base import Events

__all__ = ["Learner", "Progression", "read_checkpoint", "run_passes", "write_checkpoint"]

_NAME = "checkpoint.zip"


class Learner(Protocol):
    """A model in training, as the loop sees it."""

    def learn(self, part: Pass) -> dict[str, float]:
        """Train on one pass; the figures of the pass: ``loss`` and others."""

    def validate(self) -> dict[str, float]:
        """Return figures on the validation events: ``loss`` and others; nothing without events."""

    def state(self) -> bytes:
        """Everything that decides how training goes on: parameters, optimizer, random numbers."""

    def restore(self, state: bytes) -> None:
        """Go back to a state."""


@dataclass
class Progression:
    """How far a training is.

    Attributes:
        done: number of passes (or boosting rounds) done.
        best: smallest validation loss so far.
        best_at: number of passes done then.
        stopped: true once early stopping ended the training.
        early: true once early stopping ended the training, or the passes over a chunk.
        next: number of the next pass; in order ``chunk`` early stopping leaves out the rest of the passes over a chunk.
        chunk_best: smallest validation loss since the last change of chunk.
        chunk_best_at: number of passes done then.
        identity: what must be the same for a checkpoint to be continued.
    """

    done: int = 0
    best: float = math.inf
    best_at: int = 0
    stopped: bool = False
    early: bool = False
    next: int = 0
    chunk_best: float = math.inf
    chunk_best_at: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)
    identity: dict[str, object] = field(default_factory=dict)

    def add(self, figures: dict[str, float]) -> bool:
        """Note the figures of one pass; true if its validation loss is the best so far."""
        self.done += 1
        for name, value in figures.items():
            self.curves.setdefault(name, []).append(float(value))
        loss = figures.get("val_loss", math.nan)
        if loss < self.chunk_best:
            self.chunk_best, self.chunk_best_at = loss, self.done
        if loss < self.best:
            self.best, self.best_at = loss, self.done
            return True
        return False

    def history(self) -> History:
        """As `Backend.fit` returns it."""
        return History(curves=self.curves, epochs=self.done, stopped_early=self.stopped or self.early)


def run_passes(learner: Learner, train: Events, validation: Events, settings: FitSettings) -> History:
    """Train pass by pass; write a checkpoint after each; stop early and restore the best state if asked to.

    In order ``chunk`` early stopping ends the passes over one chunk, and the training goes on with the next.
    """
    patience = _patience(validation, settings)
    progression = Progression(identity=_identity(train, settings))
    best = b""
    if settings.resume and (found := read_checkpoint(settings, progression.identity)):
        progression, parts = found
        learner.restore(parts["state"])
        best = parts.get("best", b"")
    if not progression.stopped:
        for part in passes(train, settings, progression.next):
            if part.number < progression.next:
                continue
            figures = learner.learn(part)
            figures |= {f"val_{name}": value for name, value in learner.validate().items()}
            _check_finite(figures, part.number, settings)
            state = learner.state()
            if progression.add(figures) and patience:
                best = state
            settings.progress(*part.place(part.size), figures)
            stop = _go_on(progression, part, patience)
            write_checkpoint(settings.checkpoint, progression, {"state": state, **({"best": best} if best else {})})
            if stop:
                break
    if best:
        learner.restore(best)
    return progression.history()


def _go_on(progression: Progression, part: Pass, patience: int | None) -> bool:
    """Decide what the next pass is; true if there is none."""
    enough = patience is not None and progression.done - progression.chunk_best_at >= patience
    progression.early |= enough
    progression.stopped = enough and part.last is None
    progression.next = part.last + 1 if enough and part.last is not None else part.number + 1
    if part.last is not None and progression.next > part.last:
        progression.chunk_best, progression.chunk_best_at = math.inf, progression.done
    return progression.stopped


def write_checkpoint(folder: Path, progression: Progression, parts: dict[str, bytes]) -> None:
    """Keep the training in one file in the folder, written beside and renamed."""
    text = json.dumps(asdict(progression)).encode()
    write_beside(folder / _NAME, fixed_zip({"progression.json": text, **parts}))


def read_checkpoint(settings: FitSettings, identity: dict[str, object]) -> tuple[Progression, dict[str, bytes]] | None:
    """Return the training so far and the states in the checkpoint; None if there is none.

    Raises:
        ModelFileError: the checkpoint belongs to another training, or is damaged.
    """
    path = settings.checkpoint / _NAME
    hint = "train without resuming, or remove the file"
    try:
        parts = unpack(path.read_bytes())
        progression = Progression(**json.loads(parts.pop("progression.json")))
    except FileNotFoundError:
        return None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise ModelFileError("the checkpoint is damaged", where=str(path), hint=hint) from error
    for key, value in identity.items():
        if progression.identity.get(key) != value:
            raise ModelFileError(
                f"the checkpoint was made with {key} {progression.identity.get(key)}, now it is {value}",
                where=str(path),
                hint=hint,
            )
    return progression, parts


def _identity(train: Events, settings: FitSettings) -> dict[str, object]:
    common: dict[str, object] = {
        "columns": train.width,
        "events": train.size,
        "task": settings.task,
        "classes": settings.classes,
        "seed": settings.seed,
        "order": settings.order,
        "batch_size": settings.batch_size,
        "shuffle": settings.shuffle,
    }
    return common | ({"epochs": settings.epochs} if settings.order == "chunk" else {})


def _patience(validation: Events, settings: FitSettings) -> int | None:
    if settings.early_stopping and validation.size == 0:
        settings.warn("early stopping needs validation events, and there are none: all epochs are trained")
        return None
    return settings.early_stopping


def _check_finite(figures: dict[str, float], number: int, settings: FitSettings) -> None:
    bad = [name for name in ("loss", "val_loss") if not math.isfinite(figures.get(name, 0.0))]
    if bad:
        settings.warn(f"{bad[0]} is {figures[bad[0]]} in epoch {number + 1}: a smaller learning rate may help")
