"""Access through HTTP: what a server says about the version of a file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

__all__ = ["NAMES", "SECURE", "facts", "folder"]

NAMES: Final = ("http", "dav")
SECURE: Final = ("https", "davs")

_STEP = 2.0
"""Seconds after which a time of change in whole seconds tells one version from the next (RFC 9110, 8.8.2.2)."""


_SKEW = 60.0
"""Seconds by which the clock of a server that does not tell its time may differ from ours."""


def facts(location: str) -> dict[str, Any]:
    """Return entity tag, time of change, digest and size; see `Scheme`."""
    from mlaas4hep.streaming.remote.http.client import describe
    from mlaas4hep.streaming.remote.http.webdav import properties

    headers = describe(location)
    found = _versions(headers)
    if not any(found.values()):
        found = _versions(properties(location))
    return {**found, "size": headers.get("content-length")} if any(found.values()) else {}


def folder(location: str) -> Iterator[tuple[str, bool]]:
    """Give what is in a folder; see `Scheme`."""
    from mlaas4hep.streaming.remote.http.webdav import listing

    for entry in listing(location):
        yield entry["name"].rsplit("/", 1)[-1], entry["type"] == "directory"


def _versions(headers: Mapping[str, str]) -> dict[str, str | None]:
    found = {name: headers.get(name) for name in ("etag", "last-modified", "digest", "repr-digest")}
    changed, date = (_seconds(headers.get(name)) for name in ("last-modified", "date"))
    age = 0.0 if changed is None else (time.time() - _SKEW if date is None else date) - changed
    if age < _STEP:  # it may change again within the same second
        found["last-modified"] = None
    return found


def _seconds(date: str | None) -> float | None:
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
