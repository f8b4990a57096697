"""What a library says, as part of one of our lines."""

from __future__ import annotations

import re

from mlaas4hep.errors import MLaaS4HEPError

__all__ = ["first_line"]

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
