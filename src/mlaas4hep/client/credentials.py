"""Where a client finds its bearer token and X.509 proxy: the places the grid's own tools use."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from mlaas4hep.errors import ConfigError

__all__ = ["certificate", "check_token", "find_token", "is_loopback", "tls_context"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def find_token() -> str | None:
    """The token of the WLCG discovery: BEARER_TOKEN, BEARER_TOKEN_FILE, then the file bt_u<uid> in two places.

    The places are the folders ``$XDG_RUNTIME_DIR`` and the temporary one; a file of another user does not count.

    Raises:
        ConfigError: a file with a token cannot be read.
    """
    token = os.environ.get("BEARER_TOKEN", "").strip()
    if token:
        return token
    named = os.environ.get("BEARER_TOKEN_FILE")
    if named:
        return _read(Path(named), "look at BEARER_TOKEN_FILE")
    name = f"bt_u{os.getuid()}"
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), _temporary()):
        path = Path(folder or "", name)
        if folder and path.is_file() and path.stat().st_uid == os.getuid():
            return _read(path, "renew or remove the file")
    return None


def check_token(token: str, url: str, *, insecure: bool) -> None:
    """Refuse to send a token that is none, or where others may read it.

    Raises:
        ConfigError: it has characters that no token has, or the URL is plain HTTP to another machine.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ConfigError("the bearer token holds a space, a line break or another character that no token has")
    if urlsplit(url).scheme != "https" and not is_loopback(url) and not insecure:
        raise ConfigError("a token would travel unprotected", where=url, hint="use https, or say insecure")


def is_loopback(url: str) -> bool:
    """True if the URL leads to this machine."""
    return urlsplit(url).hostname in LOOPBACK


def certificate() -> str | None:
    """The X.509 proxy in X509_USER_PROXY, or the usual file of this user, if it is there."""
    for place in (os.environ.get("X509_USER_PROXY"), str(Path(_temporary(), f"x509up_u{os.getuid()}"))):
        if place and Path(place).is_file() and Path(place).stat().st_uid == os.getuid():
            return place
    return None


def tls_context(cert: Path | None = None, key: Path | None = None, authorities: Path | None = None) -> ssl.SSLContext:
    """How to check servers, and what to show them.

    Args:
        cert: certificate or proxy to show; None: the X.509 proxy, if there is one.
        key: its private key; None: it is in the same file.
        authorities: folder or file of certificates; None: X509_CERT_DIR if it is set, else the system's.

    Raises:
        ConfigError: the certificate, the key or the authorities cannot be used.
    """
    named = os.environ.get("X509_CERT_DIR")
    folder = authorities or (Path(named) if named and Path(named).is_dir() else None)
    try:
        if folder is None or folder.is_dir():
            context = ssl.create_default_context(capath=folder)
        else:
            context = ssl.create_default_context(cafile=folder)
    except OSError as error:
        raise ConfigError(
            f"the authorities cannot be read ({error.strerror or error})", where=str(folder), hint="look at --capath"
        ) from error
    shown = cert or certificate()
    if shown:
        try:
            context.load_cert_chain(shown, key)
        except OSError as error:
            what, hint = ("certificate", "look at --cert and --key") if cert else ("X.509 proxy", "renew or remove it")
            raise ConfigError(
                f"the {what} cannot be used ({error.strerror or error})", where=str(shown), hint=hint
            ) from error
    return context


def _read(path: Path, hint: str) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not text"
    raise ConfigError(f"the token cannot be read ({reason})", where=str(path), hint=hint)


def _temporary() -> Path:
    """The folder for temporary files of the session, where logins leave tokens; not one of this process's own."""
    return Path(os.environ.get("TMPDIR") or "/tmp")
