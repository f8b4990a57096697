"""Where a client finds its bearer token and X.509 proxy: the places the grid's own tools use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from mlaas4hep.errors import ConfigError

__all__ = ["certificate", "check_token_is_safe", "find_token", "trusted_authorities"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def find_token() -> str | None:
    """The token of the WLCG discovery: BEARER_TOKEN, BEARER_TOKEN_FILE, then the file bt_u<uid> in two places.

    Raises:
        ConfigError: BEARER_TOKEN_FILE names a file that cannot be read.
    """
    token = os.environ.get("BEARER_TOKEN", "").strip()
    if token:
        return token
    named = os.environ.get("BEARER_TOKEN_FILE")
    if named:
        try:
            return Path(named).read_text(encoding="utf-8").strip() or None
        except OSError as error:
            raise ConfigError(
                f"the token cannot be read ({error.strerror})", where=named, hint="look at BEARER_TOKEN_FILE"
            ) from error
    name = f"bt_u{os.getuid()}"
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        path = Path(folder or "", name)
        if folder and path.is_file() and path.stat().st_uid == os.getuid():
            return path.read_text(encoding="utf-8").strip() or None
    return None


def certificate() -> str | None:
    """The X.509 proxy in X509_USER_PROXY, or the usual file of this user, if it is there."""
    for place in (os.environ.get("X509_USER_PROXY"), str(Path(tempfile.gettempdir(), f"x509up_u{os.getuid()}"))):
        if place and Path(place).is_file():
            return place
    return None


def trusted_authorities() -> str | None:
    """The folder of certificate authorities in X509_CERT_DIR, if it is there."""
    folder = os.environ.get("X509_CERT_DIR")
    return folder if folder and Path(folder).is_dir() else None


def check_token_is_safe(url: str, *, insecure: bool) -> None:
    """Refuse to send a token where others may read it.

    Raises:
        ConfigError: the URL is plain HTTP to another machine.
    """
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and not insecure:
        raise ConfigError("a token would travel unprotected", where=url, hint="use https, or pass insecure=True")
