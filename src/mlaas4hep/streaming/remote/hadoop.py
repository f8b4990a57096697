"""Access to Hadoop's file system: ``webhdfs://`` over HTTP, ``hdfs://`` through Hadoop's own client."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import Any, Final

from mlaas4hep.credentials import kerberos
from mlaas4hep.errors import FrameworkMissingError
from mlaas4hep.extras import require

__all__ = ["NATIVE", "WEB", "facts", "prepare_native", "prepare_web"]

WEB: Final = ("webhdfs",)
NATIVE: Final = ("hdfs",)

_TIMEOUTS: Final = (8.0, 20.0)
"""Seconds until a connection is made, and until an answer is there."""

_NEEDED: Final = ("JAVA_HOME", "HADOOP_HOME", "CLASSPATH")


def prepare_web() -> None:
    """Set time-outs, and use Kerberos if there are tickets.

    Raises:
        FrameworkMissingError: a package is not installed.
    """
    require("webhdfs")
    import fsspec

    tickets = kerberos.find() is not None and importlib.util.find_spec("requests_kerberos") is not None
    fsspec.config.conf["webhdfs"] = {"use_listings_cache": False, "kerberos": tickets}
    fsspec.register_implementation("webhdfs", _file_system(), clobber=True)


def prepare_native() -> None:
    """See that Hadoop's client can be found, which says little when it cannot.

    Raises:
        FrameworkMissingError: a variable that it needs is not set.
    """
    missing = [name for name in _NEEDED if not os.environ.get(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise FrameworkMissingError(
            f"reading hdfs:// needs Java and Hadoop's client, but {' and '.join(missing)} {verb} not set",
            hint="set CLASSPATH to what `hadoop classpath --glob` says, or use webhdfs://",
        )


def facts(location: str) -> dict[str, Any]:
    """Return time of change and size of a file; see `Scheme`."""
    import fsspec

    system, path = fsspec.core.url_to_fs(location)
    found = system.info(path)
    changed = found.get("modificationTime") or found.get("mtime")
    return {"modified": changed, "size": found.get("size")} if changed else {}


@cache
def _file_system() -> type[Any]:
    from fsspec.implementations.webhdfs import WebHDFS
    from requests.adapters import HTTPAdapter

    class Impatient(HTTPAdapter):
        """Connections that do not wait for ever."""

        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            return super().send(request, *arguments, **{**options, "timeout": options.get("timeout") or _TIMEOUTS})

    class WebHDFSInTime(WebHDFS):  # type: ignore[misc]
        """fsspec's own, which sets no time-outs."""

        def _connect(self) -> None:
            super()._connect()
            for prefix in ("http://", "https://"):
                self.session.mount(prefix, Impatient())

    return WebHDFSInTime
