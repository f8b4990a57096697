"""Access to S3, Amazon's and others', through s3fs; keys, profiles and endpoint are those of the AWS tools."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from mlaas4hep.config.places import home
from mlaas4hep.credentials import s3
from mlaas4hep.extras import require

__all__ = ["NAMES", "facts", "prepare"]

NAMES: Final = ("s3", "s3a")

_TIMEOUTS: Final = {"connect_timeout": 8, "read_timeout": 20, "retries": {"total_max_attempts": 2}}
_OF_THE_MACHINE: Final = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables that say that keys come from the machine."""


def prepare() -> None:
    """Set time-outs, and read as nobody if no keys are found.

    Raises:
        FrameworkMissingError: the package ``s3fs`` is not installed.
    """
    require("s3")
    import fsspec

    nobody = s3.find() is None and not any(name in os.environ for name in _OF_THE_MACHINE)
    options = {"anon": nobody, "config_kwargs": dict(_TIMEOUTS), "use_listings_cache": False}
    for name in NAMES:
        fsspec.config.conf[name] = {**options, **_users(name)}
    _renew()


def _renew() -> None:
    """Let files that are opened from now on be read with other keys, if these have changed."""
    import fsspec

    files = (Path(os.environ.get(name, usual)) for name, usual in s3.FILES)
    state = (*_variables(), *(path.stat().st_mtime_ns for path in map(home, files) if path.is_file()))
    with _lock:
        if _last.get("state", state) != state:
            fsspec.get_filesystem_class("s3").clear_instance_cache()
        _last["state"] = state


def _variables() -> Iterator[str]:
    for name in sorted(os.environ):
        if name.startswith("AWS_"):
            yield f"{name}={os.environ[name]}"


_lock = threading.Lock()
_last: dict[str, Any] = {}


@cache
def _users(name: str) -> dict[str, Any]:
    """What the user's own configuration of fsspec says."""
    import fsspec

    return dict(fsspec.config.conf.get(name, {}))


def facts(location: str) -> dict[str, Any]:
    """Return entity tag, time of change, version and size of an object; see `Scheme`."""
    prepare()
    import fsspec

    system, path = fsspec.core.url_to_fs(location)
    found = system.info(path)
    return {name: found.get(name) for name in ("ETag", "LastModified", "VersionId", "size")}
