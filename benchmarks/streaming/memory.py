"""Peak memory of a process and of those it started."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

import psutil

__all__ = ["Peak", "resident_peak"]

INTERVAL = 0.05


def resident_peak() -> int:
    """Largest resident memory of this process so far, bytes."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Peak:
    """Watches while it is open: this process's own peak, or the proportional memory of all processes together."""

    def __init__(self) -> None:
        self.bytes = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self.bytes = max(self.bytes, resident_peak())

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._end.wait(INTERVAL):
            children = own.children(recursive=True)
            if not children:
                continue
            total = 0
            for process in (own, *children):
                try:
                    total += process.memory_full_info().pss
                except (psutil.Error, OSError):
                    continue
            self.bytes = max(self.bytes, total)
