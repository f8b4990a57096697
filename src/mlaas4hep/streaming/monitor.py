"""How long-running work tells what it does: stages with progress, notes, warnings. The caller decides what is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

__all__ = ["Advance", "Collector", "Monitor"]

Advance: TypeAlias = Callable[[int, str], None]


class Monitor(Protocol):
    """Receives progress. All methods may be called from the thread that runs the work only."""

    def stage(self, title: str, total: int | None, unit: str = "events") -> AbstractContextManager[Advance]:
        """Return a stage of ``total`` units; the result is called as ``advance(units, text)``."""

    def note(self, text: str) -> None:
        """Something worth knowing."""

    def warn(self, text: str) -> None:
        """Something about data or model that the user should look at; kept in the bundle and its report too."""

    def alert(self, text: str) -> None:
        """A warning about this run alone (its cache, its checkpoint): shown, never kept."""


class Collector:
    """A monitor that shows nothing and keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    @contextmanager
    def stage(self, title: str, total: int | None, unit: str = "events") -> Iterator[Advance]:  # noqa: ARG002
        """Ignore progress."""
        yield lambda _units, _text: None

    def note(self, text: str) -> None:
        """Keep a note."""
        self.notes.append(text)

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)

    def alert(self, text: str) -> None:
        """Keep it with the warnings."""
        self.warnings.append(text)
