"""Parts of our lines: what a library says, and the name that a user may have meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from mlaas4hep.errors import MLaaS4HEPError

__all__ = ["first_line", "nearest"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def first_line(error: BaseException, most: int = 300) -> str:
    r"""Return the first line with content of an error's text, or its type; our own errors whole.

    Args:
        error: of any library.
        most: characters; what is longer ends with three dots.

    Example:
        >>> first_line(ValueError("bad basket\nat 7"))
        'bad basket'
    """
    if isinstance(error, MLaaS4HEPError):
        return str(error)
    lines = [line.strip() for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= most else f"{text[: most - 3]}..."


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a misspelt one, whatever the case of its letters; None: none is.

    Example:
        >>> nearest("met_PT", ["MET_pt", "Jet_pt"])
        'MET_pt'
    """
    names = list(known)
    lower = {other.lower(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return lower[close[0]] if close else None
