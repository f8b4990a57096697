"""Branches of a TTree whose numbers would not be found or would be read wrongly, as the tree itself tells."""

from __future__ import annotations

from typing import Any

__all__ = ["WITHOUT_OFFSETS", "fault_of"]

WITHOUT_OFFSETS = 1
"""Of ROOT's EIOFeatures: lists are stored without offsets, which follow from a counter."""


def fault_of(tbranch: Any, entries: int) -> str | None:
    """Return why a branch cannot be read, whatever it holds; None if nothing speaks against it.

    Args:
        tbranch: an uproot branch.
        entries: of the tree.
    """
    if len(tbranch.branches) and not tbranch.member("fLeaves"):
        return None
    elsewhere = str(tbranch.member("fFileName", none_if_missing=True) or "")
    if elsewhere:
        return f"its data are in another file, {elsewhere}"
    if int(tbranch.num_entries) < entries and not len(tbranch.branches):
        return f"it has only {tbranch.num_entries} of {entries} entries"
    if _offsets_are_lost(tbranch):
        return "its lists were written without offsets, in other baskets than the counter that could replace them"
    return None


def _offsets_are_lost(tbranch: Any) -> bool:
    """The counter's basket of the same number is taken by uproot then, which may be one of other entries."""
    features = tbranch.member("fIOFeatures", none_if_missing=True)
    if features is None or not int(features.member("fIOBits")) & WITHOUT_OFFSETS:
        return False
    counter = tbranch.count_branch
    return counter is not None and list(counter.entry_offsets) != list(tbranch.entry_offsets)
