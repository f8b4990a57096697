"""Budgets of memory for tests."""

from __future__ import annotations

from mlaas4hep.streaming.dataset.budget import Budget

__all__ = ["ROOMY", "Forgetful"]

ROOMY = Budget(2**40)


class Forgetful(Budget):
    """A budget that has no room to keep anything, and otherwise the same."""

    @property
    def keep(self) -> int:
        """Nothing fits into it."""
        return -1
