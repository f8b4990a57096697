"""Files of a folder behind a real HTTP(S) server that sends parts, asks for credentials, and lists by WebDAV."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from tests.support.grid import Authority

__all__ = ["Site", "site"]

Answer = Callable[["Handler"], bool]
_PROXIES = 0x40  # X509_V_FLAG_ALLOW_PROXY_CERTS


@dataclass
class Site:
    """A running server.

    Attributes:
        url: without a slash at its end; the host is ``localhost``.
        token: what it asks for now; None: nothing.
        seen: method, path and token of each request.
        answer: answers a request in its own way, or says False.
        webdav: whether it lists folders by WebDAV.
        ranges: whether it sends parts of files.
    """

    url: str = ""
    token: str | None = None
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)
    answer: Answer = lambda _handler: False
    webdav: bool = True
    ranges: bool = True


class Handler(SimpleHTTPRequestHandler):
    """Python's own handler of files, and what it lacks."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, site: Site, directory: str) -> None:
        self.site = site
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def _first(self) -> bool:
        """Answer what is not a matter of files."""
        given = self.headers.get("authorization")
        self.site.seen.append((self.command, self.path, given))
        if self.site.answer(self):
            return True
        if self.site.token is not None and given != f"Bearer {self.site.token}":
            self.send_body(401, b"")
            return True
        return False

    def send_body(self, status: int, body: bytes, **headers: str) -> None:
        """Send an answer with all of its body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """A file, or a part of it."""
        if self._first():
            return
        path = Path(self.translate_path(self.path))
        asked = self.headers.get("range")
        if asked is None or not path.is_file() or not self.site.ranges:
            super().do_GET()
            return
        first, last = asked.removeprefix("bytes=").split("-")
        data = path.read_bytes()
        if int(first) >= len(data):
            self.send_body(416, b"", content_range=f"bytes */{len(data)}")
            return
        part = data[int(first) : int(last) + 1]
        end = int(first) + len(part) - 1
        modified = self.date_time_string(int(path.stat().st_mtime))
        self.send_body(206, part, content_range=f"bytes {first}-{end}/{len(data)}", last_modified=modified)

    def do_PROPFIND(self) -> None:
        """What is in a folder."""
        if self._first():
            return
        folder = Path(self.translate_path(self.path))
        if not self.site.webdav or not folder.is_dir():
            self.send_body(405 if folder.is_dir() else 404, b"")
            return
        parts = []
        for path in (folder, *sorted(folder.iterdir())):
            name = quote(self.path if path == folder else f"{self.path}{path.name}{'/' * path.is_dir()}")
            kind = "<D:collection/>" if path.is_dir() else ""
            size = "" if path.is_dir() else f"<D:getcontentlength>{path.stat().st_size}</D:getcontentlength>"
            parts.append(
                f"<D:response><D:href>{name}</D:href><D:propstat><D:prop>{size}<D:resourcetype>{kind}</D:resourcetype>"
                "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
            )
        text = f'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">{"".join(parts)}</D:multistatus>'
        self.send_body(207, text.encode(), content_type="application/xml")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up early is not an error."""


@contextmanager
def site(folder: Path, authority: Authority | None = None, *, asks_for_proxy: bool = False) -> Iterator[Site]:
    """Serve a folder.

    Args:
        folder: with the files.
        authority: gives the certificate; None: without TLS.
        asks_for_proxy: whether only those may read who show a proxy of the authority.
    """
    made = Site()
    server = _Server(("127.0.0.1", 0), partial(Handler, site=made, directory=str(folder)))
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = authority.host(folder / ".tls", "localhost", "127.0.0.1")
        context.load_cert_chain(certificate, key)
        if asks_for_proxy:
            context.load_verify_locations(authority.file)
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags |= _PROXIES
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    made.url = f"http{'s' if authority else ''}://localhost:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
