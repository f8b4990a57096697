"""Whether the events fit into the memory limit at all, found out before the training."""

from __future__ import annotations

from mlaas4hep.errors import MemoryLimitError
from mlaas4hep.features.layout import Layout
from mlaas4hep.streaming.dataset.dataset import Dataset

__all__ = ["check_memory", "size_text"]

_FLOOR = 64 * 2**20
"""What any program may take, however low the limit."""


def check_memory(dataset: Dataset) -> None:
    """Refuse a data set of which one range of each file takes more than half of the limit.

    The other half is for what is read ahead, for chunks and for memory that is used again.

    Raises:
        MemoryLimitError: names the branch with the most columns.
    """
    limit = dataset.budget.limit
    if dataset.least <= max(limit // 2, _FLOOR):
        return
    raise MemoryLimitError(
        f"an event has {dataset.layout.width} columns, and the events that are mixed at a time need "
        f"{size_text(dataset.least)} in memory; half of the limit is {size_text(limit // 2)}",
        hint=_hint(dataset.layout),
    )


def _hint(layout: Layout) -> str:
    longest = max(layout.branches, key=lambda branch: branch.length)
    if longest.length > 1:
        return (
            f"give branch {longest.name} ({longest.length} columns) a smaller length (features.length), "
            "or raise memory_limit"
        )
    return "raise memory_limit, or leave branches out (features.exclude)"


def size_text(size: int) -> str:
    """Return bytes with a unit.

    Example:
        >>> size_text(1536), size_text(3 * 2**30)
        ('1.5 KiB', '3.0 GiB')
    """
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 2**power:
            return f"{size / 2**power:.1f} {unit}"
    return f"{size} bytes"
