"""One authority for all tests of a process: XRootD's client reads X509_CERT_DIR once, with its first connection."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.support.grid import Authority

__all__ = ["session_authority", "trust_it"]


@cache
def _folder() -> Path:
    root = Path(tempfile.mkdtemp(prefix="authority"))
    root.chmod(0o755)  # servers run as another user
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = root / "certificates"
    folder.mkdir()
    return folder


@cache
def session_authority() -> Authority:
    """The authority; it is made when it is first asked for."""
    return Authority(_folder())


def trust_it() -> None:
    """Name its folder, which may still be empty, to all clients of this process."""
    os.environ["X509_CERT_DIR"] = str(_folder())
