"""An environment without anybody's credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlaas4hep.credentials import authorities, places

__all__ = ["NAMES", "bare_environment"]

NAMES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_PROFILE",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "BEARER_TOKEN",
    "BEARER_TOKEN_FILE",
    "KRB5CCNAME",
    "X509_CERT_DIR",
    "X509_USER_PROXY",
    "XDG_RUNTIME_DIR",
)


def bare_environment(monkeypatch: pytest.MonkeyPatch, folder: Path, *, trust: bool = True) -> Path:
    """Take all credentials away; return the folder that takes the place of the temporary one.

    Args:
        monkeypatch: of the test.
        folder: of the test.
        trust: the authority of all tests is still trusted.
    """
    for name in NAMES:
        if not (trust and name == "X509_CERT_DIR"):
            monkeypatch.delenv(name, raising=False)
    home, temporary = folder / "home", folder / "temporary"
    for made in (home, temporary):
        made.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(places, "USUAL", temporary)
    monkeypatch.setattr(authorities, "GRID", temporary / "no-certificates")
    return temporary
