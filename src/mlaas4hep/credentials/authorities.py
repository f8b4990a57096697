"""Certificates of the authorities by which servers are checked."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from mlaas4hep.credentials.found import Credential

__all__ = ["GRID", "KIND", "find", "folder", "trust"]

KIND = "CA certificates"
GRID = Path("/etc/grid-security/certificates")


def folder() -> Path | None:
    """Return the folder of the grid's authorities: X509_CERT_DIR, else the usual one; None: neither is there."""
    named = os.environ.get("X509_CERT_DIR")
    paths = [*([Path(named)] if named else []), GRID]
    return next((path for path in paths if path.is_dir()), None)


def trust(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return the context, which trusts the grid's authorities besides those it trusts already."""
    found = folder()
    if found is not None:
        context.load_verify_locations(capath=found)
    return context


def find() -> Credential | None:
    """Return the folder of the grid's authorities, with what is wrong with it."""
    named, found = os.environ.get("X509_CERT_DIR"), folder()
    renew = "install the authorities (fetch-crl, ca-policy-egi-core) or set X509_CERT_DIR"
    if found is None:
        return Credential(KIND, f"X509_CERT_DIR={named}", problem="no such folder", renew=renew) if named else None
    place = f"X509_CERT_DIR={found}" if str(found) == named else str(found)
    count = sum(1 for path in found.iterdir() if path.suffix.removeprefix(".").isdigit())
    problem = None if count else "holds no certificate under its hash (openssl rehash)"
    return Credential(
        KIND, place, renew=renew, about=f"{count} {'authority' if count == 1 else 'authorities'}", problem=problem
    )
