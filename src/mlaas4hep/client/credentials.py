"""What a client shows to a server: a bearer token where nobody else can read it, and its X.509 proxy."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from mlaas4hep.credentials import x509
from mlaas4hep.errors import ConfigError

__all__ = ["check_token", "is_loopback", "tls_context"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")


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
    shown = cert or x509.find_file()
    if shown:
        try:
            context.load_cert_chain(shown, key)
        except OSError as error:
            what, hint = ("certificate", "look at --cert and --key") if cert else ("X.509 proxy", "renew or remove it")
            raise ConfigError(
                f"the {what} cannot be used ({error.strerror or error})", where=str(shown), hint=hint
            ) from error
    return context
