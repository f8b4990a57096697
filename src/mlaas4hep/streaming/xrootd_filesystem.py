"""XRootD for fsspec under every scheme a user may write; imports the client, so import this module late."""

from __future__ import annotations

import importlib
from typing import Any

import fsspec
from fsspec_xrootd import XRootDFileSystem

__all__ = ["register"]


class _Secure(XRootDFileSystem):
    """The same protocol with TLS."""

    protocol = "roots"

    def __init__(self, hostid: str, **options: Any) -> None:
        super().__init__(hostid, **options)
        client = importlib.import_module("XRootD.client")
        self._myclient = client.FileSystem(f"{self.protocol}://{hostid}")


class _Old(_Secure):
    """The scheme's older name."""

    protocol = "xroot"


class _OldSecure(_Secure):
    """The older name with TLS."""

    protocol = "xroots"


def register() -> None:
    """Make ``root``, ``roots``, ``xroot`` and ``xroots`` known to fsspec."""
    for scheme, kind in (("root", XRootDFileSystem), ("roots", _Secure), ("xroot", _Old), ("xroots", _OldSecure)):
        fsspec.register_implementation(scheme, kind, clobber=True)
