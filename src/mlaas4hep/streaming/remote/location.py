"""Where a file is: a local path, a full URL, or a logical name to be put behind a redirector; and which tree of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os.path import commonprefix
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlaas4hep.config.places import home, split_tree
from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors import FileReadError

__all__ = [
    "RemotePath",
    "is_remote",
    "local_path",
    "name_of",
    "policy_of",
    "replicas_like",
    "replicas_of",
    "resolve",
    "split_tree",
]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class RemotePath(str):
    """The URL of a file that also says where else the file is, and by what policy it is read.

    Args:
        url: where it is looked for first.
        others: URLs of the same file, in order of preference.
        policy: time-outs and attempts.
    """

    others: tuple[str, ...]
    policy: Remote

    def __new__(cls, url: str, others: Sequence[str] = (), policy: Remote = Remote()) -> RemotePath:  # noqa: B008
        """See the class."""
        path = super().__new__(cls, url)
        path.others, path.policy = tuple(others), policy
        return path


def replicas_of(path: str) -> tuple[str, ...]:
    """Return all URLs of a file, in order of preference."""
    return (str(path), *(path.others if isinstance(path, RemotePath) else ()))


def replicas_like(path: str, place: str, name: str) -> str:
    """Return a file that was found at one of the places of a folder or pattern, with its other places.

    Args:
        path: folder or pattern, with all its places.
        place: the one of them where the file was found.
        name: URL of the file there.

    Example:
        >>> both = resolve("/store/*.root", ["root://a", "root://b"])
        >>> replicas_of(replicas_like(both, "root://b//store/*.root", "root://b//store/x.root"))
        ('root://a//store/x.root', 'root://b//store/x.root')
    """
    places = replicas_of(path)
    ends = [other[::-1] for other in places]
    shared = len(commonprefix(ends)) if len(places) > 1 else len(place)  # noqa: RUF071 - hosts have no parts
    rest = name[len(place) - shared :]
    first, *others = [other[: len(other) - shared] + rest for other in places]
    return RemotePath(first, others, policy_of(path))


def policy_of(path: str) -> Remote:
    """Return the policy by which a file is read."""
    return path.policy if isinstance(path, RemotePath) else Remote()


def is_remote(path: str) -> bool:
    """Return true for a URL that is not ``file://``."""
    return _URL.match(path) is not None and not path.lower().startswith("file://")


def local_path(path: str) -> Path:
    """Return the path in the file system of a local path or ``file://`` URL.

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


def resolve(path: str, redirector: str | Sequence[str] | None, policy: Remote | None = None) -> str:
    """Return where to read a file that a user named.

    A full URL is taken as it is. A local file wins if it exists; else an absolute path is a logical name
    behind the redirector, with exactly one double slash between host and name.

    Args:
        path: local path, URL (``root``, ``roots``, ``http``, ``https`` or ``file``), or logical name (``/store/...``).
        redirector: host that knows logical names, e.g. ``root://xrootd.ba.infn.it``, or several in order of preference;
            None: there is none.
        policy: how a file on a server is read; None: as usual.

    Returns:
        a local path, or a `RemotePath`.

    Raises:
        FileReadError: the path is empty, or the redirector is not a URL.

    Example:
        >>> resolve("/store/data/a.root", "root://host/")
        'root://host//store/data/a.root'
    """
    text = path.strip()
    if not text:
        raise FileReadError("the path of a file is empty")
    policy = Remote() if policy is None else policy
    if is_remote(text):
        return RemotePath(text, (), policy)
    local = local_path(text)
    redirectors = redirector.split(",") if isinstance(redirector, str) else redirector or ()
    if text.lower().startswith("file://") or not redirectors or not text.startswith("/") or _exists(local):
        return str(local)
    first, *others = [f"{_prefix(one, text)}//{text.lstrip('/')}" for one in redirectors]
    return RemotePath(first, others, policy)


def _prefix(redirector: str, path: str) -> str:
    prefix = redirector.strip().rstrip("/")
    if not is_remote(prefix):
        raise FileReadError(
            f"the redirector {redirector!r} is not a URL", where=path, hint="write it like root://xrootd.example.org"
        )
    return prefix


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
