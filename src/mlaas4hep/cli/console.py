"""What a command shows while it works: progress with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mlaas4hep.streaming.monitor import Advance

__all__ = ["Terminal"]

SHORTEST, LONGEST = 5.0, 300.0
"""Seconds between two lines: at first, and at most. In between a quarter of the time the stage has taken so far, so
that a log of hours has dozens of lines, not thousands."""


class _Rate(ProgressColumn):
    """Units done, their total, and the rate; nothing for work that counts nothing, such as one call of a framework."""

    def render(self, task: Task) -> Text:
        if not task.fields["counted"]:
            return Text("")
        speed = task.finished_speed or task.speed
        done = f"{int(task.completed):,}/{int(task.total):,}" if task.total else f"{int(task.completed):,}"
        rate = f" {_si(speed)}/s" if speed else ""
        return Text(f"{done} {task.fields['unit']}{rate}", style="cyan")


class Terminal:
    """A monitor for people: everything goes to standard error, so that standard output holds results only."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self.warnings: list[str] = []

    @contextmanager
    def stage(self, title: str, total: int | None, unit: str = "events") -> Iterator[Advance]:
        """A bar on a terminal; elsewhere a line every few seconds and one at the end of anything that took longer."""
        if self._quiet:
            yield lambda _units, _text: None
        elif self._console.is_terminal:
            yield from self._bar(title, total, unit)
        else:
            yield from self._lines(title, total, unit)

    def note(self, text: str) -> None:
        """A plain line."""
        if not self._quiet:
            self._console.print(Text(text))

    def warn(self, text: str) -> None:
        """A marked line, shown even when quiet; the same text is shown once."""
        if text not in self.warnings:
            self.warnings.append(text)
            self._console.print(Text(f"warning: {text}", style="yellow"))

    alert = warn

    def _bar(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _Rate(),
            TimeElapsedColumn() if total is None else TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(title, total=total, unit=unit, text="", counted=total is not None)
            yield lambda units, text: progress.update(task, advance=units, text=text, counted=True)
            # What ended without an error is complete, whatever was expected: early stopping, a loop of the user's own.
            done = progress.tasks[task].completed
            progress.update(task, total=done or 1, completed=done or 1)

    def _lines(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        start = last = time.monotonic()
        done = 0

        def advance(units: int, text: str) -> None:
            nonlocal done, last
            done += units
            now = time.monotonic()
            if now - last >= min(max(SHORTEST, (now - start) / 4), LONGEST):
                last = now
                rate = done / (now - start)
                left = f", {int(max(total - done, 0) / rate)} s left" if total and rate else ""
                of = f" of {total:,}" if total else ""
                self._console.print(Text(f"{title}: {done:,}{of} {unit}, {_si(rate)}/s{left} {text}".rstrip()))

        yield advance
        taken = time.monotonic() - start
        if taken >= 1.0 and (done or total is None):
            counted = f" {done:,} {unit} in" if done else ""
            rate = f", {_si(done / taken)}/s" if done else ""
            self._console.print(Text(f"{title}:{counted} {taken:.1f} s{rate}"))


def _si(rate: float) -> str:
    if rate >= 1e6:
        return f"{rate / 1e6:.1f}M"
    if rate >= 1e3:
        return f"{rate / 1e3:.1f}k"
    return f"{rate:.0f}" if rate >= 1 else f"{rate:.1f}"
