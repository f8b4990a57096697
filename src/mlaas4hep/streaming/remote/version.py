"""What a server says about the version of a file, so that another file of the same name and size is told from it."""

from __future__ import annotations

from mlaas4hep.streaming.remote.location import is_remote
from mlaas4hep.streaming.remote.schemes import scheme_of

__all__ = ["version_of"]


def version_of(location: str) -> str | None:
    """Ask the server for what changes when the content of a file does.

    Args:
        location: a URL.

    Returns:
        Size and entity tag, checksum or time of change as one text; None if the server tells none of the three.
    """
    if not is_remote(location):
        msg = f"{location} is a local file"
        raise ValueError(msg)
    try:
        facts = scheme_of(location).facts(location)
    except Exception:  # whatever a client raises: nothing is known then
        return None
    return " ".join(f"{name}={value}" for name, value in facts.items() if value) if any(facts.values()) else None
