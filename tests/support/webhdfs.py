"""A server of the tests' own that speaks as much WebHDFS as reading needs; no HDFS can be had here.

Like a name node it sends readers of content on to a data node, which is the same server.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["webhdfs_server"]

_PREFIX = "/webhdfs/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, folder: Path) -> None:
        self.folder = folder
        super().__init__(*arguments)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        name = unquote(parts.path.removeprefix("/data").removeprefix(_PREFIX)).lstrip("/")
        path = self.folder / name
        if not path.exists():
            text = {"exception": "FileNotFoundException", "message": f"File does not exist: /{name}"}
            self._json({"RemoteException": text}, 404)
        elif query["op"] == "GETFILESTATUS":
            self._json({"FileStatus": _status(path, "")})
        elif query["op"] == "LISTSTATUS":
            entries = [_status(entry, entry.name) for entry in sorted(path.iterdir())]
            self._json({"FileStatuses": {"FileStatus": entries}})
        elif not parts.path.startswith("/data"):
            self.send_response(307)
            self.send_header("location", f"http://{self.headers['host']}/data{self.path}")
            self._end(b"")
        else:
            begin = int(query.get("offset", 0))
            self.send_response(200)
            self._end(path.read_bytes()[begin : begin + int(query.get("length", 1 << 60))])

    def _json(self, content: dict[str, Any], status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self._end(json.dumps(content).encode())

    def _end(self, body: bytes) -> None:
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _status(path: Path, suffix: str) -> dict[str, Any]:
    facts = path.stat()
    return {
        "pathSuffix": suffix,
        "type": "DIRECTORY" if path.is_dir() else "FILE",
        "length": 0 if path.is_dir() else facts.st_size,
        "modificationTime": facts.st_mtime_ns // 1_000_000,
    }


@contextmanager
def webhdfs_server(folder: Path) -> Iterator[str]:
    """Serve a folder; gives the beginning of its URLs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder=folder))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"webhdfs://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
