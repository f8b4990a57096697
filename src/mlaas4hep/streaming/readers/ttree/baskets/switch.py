"""Whether baskets are read here or by uproot, and a word where uproot has to."""

from __future__ import annotations

import logging
import os

from mlaas4hep.errors.text import first_line

__all__ = ["VARIABLE", "switched_on", "tell_fallback"]

VARIABLE = "MLAAS4HEP_BASKET_READER"
"""Environment variable; with ``off`` uproot reads all baskets and all descriptions of trees."""

_log = logging.getLogger(__name__)
_told: set[str] = set()


def switched_on() -> bool:
    """Return whether baskets of files that are opened now are read without uproot."""
    return os.environ.get(VARIABLE, "on").strip().lower() not in {"off", "0", "no", "false"}


def tell_fallback(place: str, error: BaseException) -> None:
    """Log that uproot reads what the basket reader could not; a reason is told once a process.

    Args:
        place: file and tree.
        error: why it could not.
    """
    reason = first_line(error)
    if reason not in _told:
        _told.add(reason)
        _log.warning("%s: uproot reads its baskets, which takes longer: %s", place, reason)
