"""Web servers for fsspec: files in parts, folders by WebDAV, with the credentials of `http_client`."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from mlaas4hep.streaming.remote import http_client
from mlaas4hep.streaming.remote.webdav import listing

__all__ = ["NAMES", "register"]

NAMES = ("http", "https", "dav", "davs")


class WebFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Files are called by their whole URL."""

    protocol = NAMES
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return path

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Return size and headers of a file; see fsspec."""
        del options
        found = http_client.describe(path)
        size = found.get("content-length", "")
        return {**found, "name": path, "type": "file", "size": int(size) if size.isdecimal() else None}

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """Return what is in a folder; see fsspec."""
        del options
        found = listing(path)
        return found if detail else [entry["name"] for entry in found]

    def modified(self, path: str) -> Any:
        """Return when a file was changed; see fsspec."""
        return parsedate_to_datetime(self.info(path)["last-modified"])

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **options: Any) -> Any:
        if mode != "rb":
            raise NotImplementedError
        size = self.info(path)["size"]
        if size is None:
            raise http_client.HTTPStatusError(path, 200, ", without the size of the file")
        return _WebFile(self, path, mode, block_size or 1 << 22, size=size, **options)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        """Return the content of a file, or a part of it; see fsspec."""
        del options
        if start is None and end is None:
            return http_client.read(path, 0, 1 << 62)
        size = self.info(path)["size"] if end is None or min(start or 0, end) < 0 else None
        begin, stop, _ = slice(start, end).indices(size) if size is not None else (start or 0, end or 0, 1)
        return http_client.read(path, begin, stop)


class _WebFile(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        data = http_client.read(self.path, start, end)
        if len(data) < min(end, self.size) - start:
            raise ConnectionResetError("the server ended the file too early")
        return data


def register() -> None:
    """Make the schemes known to fsspec."""
    for name in NAMES:
        fsspec.register_implementation(name, WebFileSystem, clobber=True)
