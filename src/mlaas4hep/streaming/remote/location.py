"""Where a file is: a local path, a full URL, or a logical name to be put behind a redirector; and which tree of it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlaas4hep.config.places import home, split_tree
from mlaas4hep.errors import FileReadError

__all__ = ["is_remote", "local_path", "name_of", "resolve", "split_tree"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_remote(path: str) -> bool:
    """True for a URL that is not ``file://``."""
    return _URL.match(path) is not None and not path.lower().startswith("file://")


def local_path(path: str) -> Path:
    """The path in the file system of a local path or ``file://`` URL.

    Raises:
        FileReadError: ``path`` is a remote URL.
    """
    if is_remote(path):
        raise FileReadError("is not a local file", where=path)
    if not path.lower().startswith("file://"):
        return home(path)
    text = path[len("file://") :]
    text = text.removeprefix("localhost") if text.startswith("localhost/") else text
    plain = home(text)
    return plain if _exists(plain) else home(unquote(text))


def name_of(path: str) -> str:
    """Return the name of a file without its folder; of a URL without what follows a question mark.

    Raises:
        FileReadError: it is not a URL, such as ``http://[host/``.
    """
    if not is_remote(path):
        return local_path(path).name
    try:
        return urlsplit(path).path.rsplit("/", 1)[-1]
    except ValueError as error:
        raise FileReadError(f"is not a URL ({error})", where=path, hint="check the name of the host") from error


def resolve(path: str, redirector: str | None) -> str:
    """Where to read a file that a user named.

    A full URL is taken as it is. A local file wins if it exists; else an absolute path is a logical name
    behind the redirector, with exactly one double slash between host and name.

    Args:
        path: local path, URL (``root``, ``roots``, ``http``, ``https`` or ``file``), or logical name (``/store/...``).
        redirector: host that knows logical names, e.g. ``root://xrootd.ba.infn.it``; None: there is none.

    Returns:
        a local path or a URL.

    Raises:
        FileReadError: the path is empty, or the redirector is not a URL.

    Example:
        >>> resolve("/store/data/a.root", "root://host/")
        'root://host//store/data/a.root'
    """
    text = path.strip()
    if not text:
        raise FileReadError("the path of a file is empty")
    if is_remote(text):
        return text
    local = local_path(text)
    if text.lower().startswith("file://") or redirector is None or not text.startswith("/") or _exists(local):
        return str(local)
    prefix = redirector.strip().rstrip("/")
    if not is_remote(prefix):
        raise FileReadError(
            f"the redirector {redirector!r} is not a URL", where=text, hint="write it like root://xrootd.example.org"
        )
    return f"{prefix}//{text.lstrip('/')}"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
