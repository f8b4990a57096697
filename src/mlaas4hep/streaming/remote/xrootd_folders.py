"""What is in a folder behind XRootD, of all servers that a redirector knows."""

from __future__ import annotations

import importlib
from typing import Final

from mlaas4hep.streaming.remote.errors import XRootDError
from mlaas4hep.streaming.remote.xrootd import configure

__all__ = ["listing"]

_IS_FOLDER: Final = 2
"""kXR_isDir of XProtocol.hh."""

_SECONDS: Final = 30


def listing(folder: str) -> list[tuple[str, bool]]:
    """Return names, each with whether it is a folder; see `Scheme`.

    Raises:
        OSError: there is no such folder, or no server says what is in it.
    """
    configure()
    client = importlib.import_module("XRootD.client")
    flags = importlib.import_module("XRootD.client.flags").DirListFlags
    url = client.URL(folder)
    system = client.FileSystem(f"{url.protocol}://{url.hostid}")
    status, found = system.dirlist(url.path, flags.STAT | flags.LOCATE, timeout=_SECONDS)
    if not status.ok:  # a server that cannot say where a folder is may still know what is in it
        status, found = system.dirlist(url.path, flags.STAT, timeout=_SECONDS)
    if not status.ok:
        raise XRootDError(status)
    entries = {entry.name: entry.statinfo for entry in found}
    return [(name, facts is not None and bool(facts.flags & _IS_FOLDER)) for name, facts in sorted(entries.items())]
