"""Access through XRootD: time-outs that fail within half a minute.

The client's own defaults let a refused port wait 8 minutes. The figures here make every failure known within half a
minute; whoever sets an ``XRD_*`` variable keeps their own value.
"""

from __future__ import annotations

import atexit
import importlib
import os
import warnings
from functools import cache
from typing import Any, Final

from mlaas4hep.errors import FrameworkMissingError
from mlaas4hep.extras import install_hint

__all__ = ["NAMES", "TIMEOUTS", "configure", "facts", "is_xrootd"]

NAMES: Final = ("root", "roots", "xroot", "xroots")

TIMEOUTS: Final[dict[str, int]] = {
    "ConnectionWindow": 8,
    "ConnectionRetry": 2,
    "RequestTimeout": 20,
    "StreamErrorWindow": 12,
    "StreamTimeout": 10,
    "TimeoutResolution": 1,
}
"""Names of the client's settings, in seconds (`ConnectionRetry`: a number of attempts)."""


def is_xrootd(path: str) -> bool:
    """True for ``root://``, ``roots://``, ``xroot://`` and ``xroots://`` URLs."""
    name, mark, _ = path.partition("://")
    return bool(mark) and name.lower() in NAMES


@cache
def configure() -> None:
    """Set time-outs and make all XRootD schemes known to fsspec; does its work once a process.

    Raises:
        FrameworkMissingError: the package ``xrootd`` or ``fsspec-xrootd`` is not installed.
    """
    try:
        client = importlib.import_module("XRootD.client")
        from mlaas4hep.streaming.remote.xrootd_filesystem import register
    except ImportError as error:
        raise FrameworkMissingError(
            "reading through XRootD needs the package xrootd", hint=install_hint("xrootd")
        ) from error
    for name, value in TIMEOUTS.items():
        if f"XRD_{name.upper()}" not in os.environ:
            client.EnvPutInt(name, value)
    atexit.register(_quieten)  # runs before what the client has registered
    register()


def facts(location: str) -> dict[str, Any]:
    """Return time of change, size and checksum of a file; see `Scheme`."""
    configure()
    client = importlib.import_module("XRootD.client")
    url = client.URL(location)
    system = client.FileSystem(f"{url.protocol}://{url.hostid}")
    timeout = TIMEOUTS["RequestTimeout"]
    status, found = system.stat(url.path, timeout=timeout)
    if not status.ok:
        return {}
    query = importlib.import_module("XRootD.client.flags").QueryCode.CHECKSUM
    summed, checksum = system.query(query, url.path, timeout=timeout)
    text = bytes(checksum or b"").decode("ascii", "replace").strip("\0 \n") if summed.ok else ""
    return {"modified": found.modtime, "size": found.size, "checksum": text}


def _quieten() -> None:
    """At its end the client asks every object for its class, and one of torch's answers with a warning."""
    warnings.filterwarnings("ignore", r"`torch\.distributed\.reduce_op` is deprecated", FutureWarning)
