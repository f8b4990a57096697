"""Peak memory of a process."""

from __future__ import annotations

from pathlib import Path

__all__ = ["resident_peak"]


def resident_peak() -> int:
    """Largest resident memory of this process so far, bytes."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
