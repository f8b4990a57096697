"""What a server says about the version of a file, so that another file of the same name and size is told from it."""

from __future__ import annotations

import importlib
from email.utils import parsedate_to_datetime
from typing import Any

from mlaas4hep.streaming.remote.location import is_remote
from mlaas4hep.streaming.remote.xrootd import configure, is_xrootd

__all__ = ["version_of"]

_TIMEOUT = 20
_STEP = 2.0
"""Seconds after which a time of change in whole seconds tells one version from the next (RFC 9110, 8.8.2.2)."""

_FACTS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "modified", "updated", "checksum", "md5", "md5Hash")
"""What fsspec's file systems call the version of a file."""


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
        if is_xrootd(location):
            facts = _xrootd(location)
        elif location.lower().startswith(("http://", "https://")):
            facts = _http(location)
        else:
            facts = _other(location)
    except Exception:  # whatever a client raises: nothing is known then
        return None
    return " ".join(f"{name}={value}" for name, value in facts.items() if value) if any(facts.values()) else None


def _http(location: str) -> dict[str, Any]:
    import httpx

    answer = httpx.head(location, follow_redirects=True, timeout=_TIMEOUT)
    answer.raise_for_status()
    facts = {name: answer.headers.get(name) for name in ("etag", "last-modified", "digest", "repr-digest")}
    changed, now = (_seconds(answer.headers.get(name)) for name in ("last-modified", "date"))
    if changed is None or now is None or now - changed < _STEP:  # it may change again within the same second
        facts["last-modified"] = None
    return {**facts, "size": answer.headers.get("content-length")} if any(facts.values()) else {}


def _seconds(date: str | None) -> float | None:
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _xrootd(location: str) -> dict[str, Any]:
    configure()
    client = importlib.import_module("XRootD.client")
    url = client.URL(location)
    system = client.FileSystem(f"{url.protocol}://{url.hostid}")
    status, found = system.stat(url.path, timeout=_TIMEOUT)
    if not status.ok:
        return {}
    query = importlib.import_module("XRootD.client.flags").QueryCode.CHECKSUM
    summed, checksum = system.query(query, url.path, timeout=_TIMEOUT)
    text = bytes(checksum or b"").decode("ascii", "replace").strip("\0 \n") if summed.ok else ""
    return {"modified": found.modtime, "size": found.size, "checksum": text}


def _other(location: str) -> dict[str, Any]:
    import fsspec

    system, path = fsspec.core.url_to_fs(location)
    info = system.info(path)
    facts = {name: info.get(name) for name in _FACTS}
    return {**facts, "size": info.get("size")} if any(facts.values()) else {}
