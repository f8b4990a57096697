"""What a server says about the version of a file, so that another file of the same name and size is told from it."""

from __future__ import annotations

from mlaas4hep.streaming.remote.location import is_remote, replicas_of
from mlaas4hep.streaming.remote.policy import by_health
from mlaas4hep.streaming.remote.schemes import scheme_of

__all__ = ["version_of"]


def version_of(location: str) -> str | None:
    """Ask the server for what changes when the content of a file does.

    Args:
        location: a URL; of a `RemotePath` the first place counts that tells.

    Returns:
        Size and entity tag, checksum or time of change as one text; None if the server tells none of the three.
    """
    if not is_remote(location):
        msg = f"{location} is a local file"
        raise ValueError(msg)
    for place in by_health(replicas_of(location)):
        try:
            facts = scheme_of(place).facts(place)
        except Exception:  # whatever a client raises: nothing is known of it there
            continue
        if any(facts.values()):
            return " ".join(f"{name}={value}" for name, value in facts.items() if value)
    return None
