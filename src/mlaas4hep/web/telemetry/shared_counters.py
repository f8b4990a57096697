"""Counters over all processes of a server: each writes its own to a file that the others read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from mlaas4hep.web.telemetry.metrics import Family, added

__all__ = ["SharedCounters"]


class SharedCounters:
    """Adds up the counters of all processes of a server.

    A process that replaces one that died goes on from its counters, so that no sum ever falls.

    Args:
        own: the families of this process.
        folder: where the processes leave their counters; None: there is only this process.
        worker: name of this process.
    """

    def __init__(self, own: Callable[[], list[Family]], folder: Path | None = None, worker: str = "0") -> None:
        self._own = own
        self._folder = folder
        self._file = folder / f"metrics-{worker}.json" if folder else None
        before = _read(self._file) if self._file else []
        self._before = [family for family in before if family.kind != "gauge"]

    def publish(self) -> list[Family]:
        """Write the counters of this process for the others, and return them."""
        families = added([self._before, self._own()])
        if self._file:
            beside = self._file.with_suffix(".new")
            beside.write_bytes(orjson.dumps([family.dump() for family in families]))
            beside.replace(self._file)
        return families

    def all(self) -> list[Family]:
        """Return the families of all processes, of the others as they were a second ago at most."""
        mine = self.publish()
        if self._folder is None:
            return mine
        files = sorted(self._folder.glob("metrics-*.json"))
        return added([mine, *(_read(file) for file in files if file != self._file)])


def _read(file: Path) -> list[Family]:
    try:
        return [Family.load(data) for data in orjson.loads(file.read_bytes())]
    except (FileNotFoundError, orjson.JSONDecodeError):
        return []
