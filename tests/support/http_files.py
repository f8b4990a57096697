"""Files of a folder behind a real HTTP server."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

__all__ = ["CONNECTIONS_LEFT", "Quiet", "served"]

CONNECTIONS_LEFT = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*unclosed.*:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*socket.*:pytest.PytestUnraisableExceptionWarning"),
]
"""Marks for tests of clients (fsspec, uproot) that leave their connections to the garbage collector."""


class Quiet(SimpleHTTPRequestHandler):
    """Python's own handler, without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up early is not an error."""


@contextmanager
def served(handler: type[SimpleHTTPRequestHandler], folder: Path) -> Iterator[str]:
    """Serve a folder; gives host and port."""
    server = _Server(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    gc.collect()
