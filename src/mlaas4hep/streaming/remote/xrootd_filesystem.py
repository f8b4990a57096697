"""XRootD for fsspec under every scheme a user may write; imports the client, so import this module late."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

import fsspec
from fsspec_xrootd import XRootDFileSystem
from fsspec_xrootd.xrootd import ReadonlyFileHandleCache

__all__ = ["register"]


class _Handles(ReadonlyFileHandleCache):
    """Open files; closing those of a server that is gone is not an error."""

    @staticmethod
    def _close_all(loop: Any, cache: dict[str, Any]) -> None:
        with suppress(OSError):
            ReadonlyFileHandleCache._close_all(loop, cache)


class _Plain(XRootDFileSystem):
    """The usual scheme."""

    protocol = "root"

    def __init__(self, hostid: str, **options: Any) -> None:
        super().__init__(hostid, **options)
        client = importlib.import_module("XRootD.client")
        self._myclient = client.FileSystem(f"{self.protocol}://{hostid}")
        self._readonly_filehandle_cache = _Handles(
            self.loop,
            max_items=options.get("filehandle_cache_size", 256),
            ttl=options.get("filehandle_cache_ttl", 30),
        )


class _Secure(_Plain):
    """The same protocol with TLS."""

    protocol = "roots"


class _Old(_Plain):
    """The scheme's older name."""

    protocol = "xroot"


class _OldSecure(_Plain):
    """The older name with TLS."""

    protocol = "xroots"


def register() -> None:
    """Make ``root``, ``roots``, ``xroot`` and ``xroots`` known to fsspec."""
    for kind in (_Plain, _Secure, _Old, _OldSecure):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
