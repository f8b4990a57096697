"""What was found about several branches, patterns or files: one line for each kind, with few names."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["NAMED", "Findings", "few"]

NAMED = 8
"""Names in a line; the report and the specs have them all."""


def few(names: Sequence[str], most: int = 12) -> str:
    """List names for a message: at most ``most`` of them."""
    if not names:
        return "none at all"
    text = ", ".join(names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"


class Findings:
    """Collects what was found, and gives one line for each kind, in the order in which the kinds were found.

    Example:
        >>> found = Findings()
        >>> found.add("missing values in training", "pt", "3 of 10")
        >>> found.add("missing values in training", "eta", "1 of 10")
        >>> found.lines()
        ('missing values in training: pt (3 of 10), eta (1 of 10)',)
    """

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}

    def add(self, kind: str, name: str, detail: str = "") -> None:
        """Add one finding.

        Args:
            kind: what is said of all names of the line.
            name: of a branch, a pattern or a file.
            detail: what is said of this name alone.
        """
        self._kinds.setdefault(kind, []).append(f"{name} ({detail})" if detail else name)

    def lines(self) -> tuple[str, ...]:
        """Return one line for each kind."""
        return tuple(f"{kind}: {few(names, NAMED)}" for kind, names in self._kinds.items())
