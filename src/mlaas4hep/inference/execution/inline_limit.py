"""The number of rows up to which a model is run in the event loop: estimated once, learnt from every run."""

from __future__ import annotations

import logging
import time

__all__ = ["LARGEST", "SHORT", "InlineLimit"]

LOG = logging.getLogger("mlaas4hep.serve")
SHORT = 0.5e-3
"""Seconds that a run may keep the event loop."""
LARGEST = 4096
"""Rows that are never exceeded, however fast the model seems."""
IN_A_ROW = 3
"""Runs that agree before the limit moves: one alone may have met a busy machine."""
BARRED = 60.0
"""Seconds after a run that had to be stopped: a model that is too slow again and again takes little of the loop."""


class InlineLimit:
    """The limit of one loaded model.

    Runs in the event loop that take more than twice `SHORT` lower it, runs in threads that take less raise it.

    Args:
        name: of the model, for the log.
        rows: first estimate.
        fixed: the model must never be run there: one request is fast, another may not be.

    Attributes:
        rows: number of rows up to which a run is short enough for the event loop; 0: none.
    """

    def __init__(self, name: str, rows: int, *, fixed: bool = False) -> None:
        self.rows = min(rows, LARGEST)
        self._name = name
        self._fixed = fixed
        self._until = 0.0
        self._slow: list[int] = []
        self._fast: list[int] = []

    def in_loop(self, rows: int, seconds: float) -> None:
        """Learn from a run in the event loop: its rows, and seconds of the processor."""
        if seconds > 2 * SHORT:
            self._slow.append(rows)
            if len(self._slow) >= IN_A_ROW:
                self._set(min(self._slow) // 2, rows, seconds)
        elif self._slow and 2 * rows >= min(self._slow):
            self._slow.clear()

    def in_thread(self, rows: int, seconds: float) -> None:
        """Learn from a run in a thread: its rows, and seconds of the thread's processor."""
        if self._fixed or rows <= self.rows or time.monotonic() < self._until:
            return
        if seconds > SHORT:
            self._fast = [fast for fast in self._fast if fast < rows]
            return
        self._fast.append(rows)
        if len(self._fast) >= IN_A_ROW:
            self._set(min(LARGEST, *self._fast), rows, seconds)

    def bar(self, seconds: float) -> None:
        """Keep the model out of the event loop: a run there was stopped after these seconds."""
        self._until = time.monotonic() + BARRED
        self._set(0, 0, seconds)

    def _set(self, rows: int, ran: int, seconds: float) -> None:
        self._slow.clear()
        self._fast.clear()
        if rows != self.rows:
            what = "model %s: up to %d rows are run in the event loop, %d before; the last run took %.2f ms (%d rows)"
            LOG.debug(what, self._name, rows, self.rows, seconds * 1e3, ran)
        self.rows = rows
