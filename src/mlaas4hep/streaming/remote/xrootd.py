"""Access through XRootD: the client's settings, and what a server says about the version of a file.

The client's own defaults let a refused port wait 8 minutes. Here it reports every failure soon, and the policy for all
kinds of storage decides about further attempts; whoever sets an ``XRD_*`` variable keeps their own value.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import importlib.util
import math
import os
import warnings
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors import FrameworkMissingError
from mlaas4hep.extras import install_hint

__all__ = ["NAMES", "apply", "configure", "facts", "is_xrootd", "load_client", "request_seconds", "settings_of"]

NAMES: Final = ("root", "roots", "xroot", "xroots")
SECURITY: Final = "libXrdCryptossl-*.so"
"""The client's library that needs OpenSSL and that it loads late."""


def is_xrootd(path: str) -> bool:
    """Return true for ``root://``, ``roots://``, ``xroot://`` and ``xroots://`` URLs."""
    name, mark, _ = path.partition("://")
    return bool(mark) and name.lower() in NAMES


def load_client() -> Any:
    """Return the module ``XRootD.client``, loaded with all that it needs of OpenSSL.

    It has to come before TensorFlow, whose own form of OpenSSL is what everything loaded later gets: the client, or its
    authentication by X.509 proxies, would bring the process down.

    Raises:
        FrameworkMissingError: the package ``xrootd`` is not installed.
    """
    try:
        client = importlib.import_module("XRootD.client")
    except ImportError as error:
        raise FrameworkMissingError(
            "reading through XRootD needs the package xrootd", hint=install_hint("xrootd")
        ) from error
    package = importlib.util.find_spec("pyxrootd")
    for folder in (package.submodule_search_locations or ()) if package is not None else ():
        for library in sorted(Path(folder).glob(SECURITY)):  # else loaded by the first server that asks for a proxy
            ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    return client


@cache
def configure() -> None:
    """Load the client and set the usual time-outs; does its work once a process.

    Raises:
        FrameworkMissingError: the package ``xrootd`` is not installed.
    """
    _set(load_client(), settings_of(Remote()))
    atexit.register(_quieten)  # runs before what the client has registered


@lru_cache(maxsize=1)
def apply(policy: Remote) -> None:
    """Set the client's time-outs as the policy says.

    Raises:
        FrameworkMissingError: the package ``xrootd`` is not installed.
    """
    configure()
    _set(importlib.import_module("XRootD.client"), settings_of(policy))


def settings_of(policy: Remote) -> dict[str, int]:
    """Return the client's settings by their names: seconds, but for `ConnectionRetry`, a number of attempts."""
    return {
        "ConnectionWindow": math.ceil(policy.connection_timeout),
        "ConnectionRetry": 1,
        "RequestTimeout": math.ceil(policy.request_timeout),
        "StreamErrorWindow": 1,
        "StreamTimeout": math.ceil(policy.stream_timeout),
        "TimeoutResolution": 1,
    }


def request_seconds(policy: Remote) -> float:
    """Return how long a request may take: as the user's ``XRD_REQUESTTIMEOUT`` or the policy says."""
    own = os.environ.get("XRD_REQUESTTIMEOUT", "")
    return float(own) if own.isdecimal() and int(own) else policy.request_timeout


def _set(client: Any, settings: Mapping[str, int]) -> None:
    for name, value in settings.items():
        if f"XRD_{name.upper()}" not in os.environ:
            client.EnvPutInt(name, value)


def facts(location: str) -> dict[str, Any]:
    """Return time of change, size and checksum of a file; see `Scheme`."""
    configure()
    client = importlib.import_module("XRootD.client")
    url = client.URL(location)
    system = client.FileSystem(f"{url.protocol}://{url.hostid}")
    timeout = settings_of(Remote())["RequestTimeout"]
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
