"""Folders on web servers: by WebDAV, or by the links of the page that a server makes for a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree as ET

from mlaas4hep.streaming.remote.http.client import HTTPStatusError, plain_url, request

__all__ = ["listing", "properties"]

_BODY_LIMIT: Final = 1 << 26
_DAV: Final = "{DAV:}"
_LINK: Final = re.compile(r"""<a\s[^>]*?href\s*=\s*["']([^"'#]+)["']""", re.IGNORECASE)
_NO_DAV: Final = (400, 403, 404, 405, 415, 501)


def listing(url: str) -> list[dict[str, Any]]:
    """Return what is in a folder: ``name`` (a URL), ``type`` (``file`` or ``directory``), ``size`` (bytes, or None).

    Raises:
        OSError: there is no such folder, or the server does not say what is in it.
    """
    folder = url.rstrip("/") + "/"
    with request("PROPFIND", folder, {"Depth": "1"}, also=_NO_DAV) as answer:
        if answer.status_code == 207:
            return list(_entries(folder, _body(folder, answer)))
    with request("GET", folder) as answer:
        if "html" not in answer.headers.get("content-type", ""):
            raise HTTPStatusError(folder, answer.status_code, ", but does not list its folders")
        return list(_links(folder, _body(folder, answer).decode(answer.encoding or "utf-8", "replace")))


def properties(url: str) -> dict[str, str]:
    """Return what a server with WebDAV says of a file besides its size: ``etag``, ``last-modified``, ``date`` (of now).

    Empty if it knows no WebDAV.

    Raises:
        OSError: there is no such file, or it is out of reach.
    """
    with request("PROPFIND", url, {"Depth": "0"}, also=_NO_DAV) as answer:
        if answer.status_code != 207:
            return {}
        root = _parsed(_body(url, answer))
        found = {"etag": root.iter(f"{_DAV}getetag"), "last-modified": root.iter(f"{_DAV}getlastmodified")}
        texts = {name: next((entry.text for entry in entries if entry.text), "") for name, entries in found.items()}
        return {**{name: text for name, text in texts.items() if text}, "date": answer.headers.get("date", "")}


def _body(folder: str, answer: Any) -> bytes:
    parts, got = [], 0
    for part in answer.iter_bytes():
        parts.append(part)
        got += len(part)
        if got > _BODY_LIMIT:
            raise HTTPStatusError(folder, answer.status_code, ", with a list of files of over 64 MiB")
    return b"".join(parts)


def _entries(folder: str, body: bytes) -> Iterator[dict[str, Any]]:
    for entry in _parsed(body).iter(f"{_DAV}response"):
        name = _child(folder, entry.findtext(f"{_DAV}href", ""))
        if name is None:
            continue
        size = next((found.text for found in entry.iter(f"{_DAV}getcontentlength") if found.text), None)
        is_folder = next(entry.iter(f"{_DAV}collection"), None) is not None
        known = int(size) if size and size.isdecimal() and not is_folder else None
        yield {"name": name, "type": "directory" if is_folder else "file", "size": known}


def _parsed(body: bytes) -> ET.Element:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:  # which may grow without end
        raise OSError("the answer of the server is not plain XML")
    try:
        return ET.fromstring(body)
    except ET.ParseError as error:
        raise OSError(f"the answer of the server is not XML: {error}") from error


def _links(folder: str, page: str) -> Iterator[dict[str, Any]]:
    seen = set()
    for link in _LINK.findall(page):
        name = _child(folder, unescape(link))
        if name is not None and name not in seen:
            seen.add(name)
            yield {"name": name, "type": "directory" if link.endswith("/") else "file", "size": None}


def _child(folder: str, link: str) -> str | None:
    """The URL of what lies directly in the folder, written as the folder is; None for all else."""
    target, own = urlsplit(urljoin(plain_url(folder), link)), urlsplit(plain_url(folder))
    path, base = unquote(target.path).rstrip("/"), unquote(own.path)
    if target.query or target.netloc not in {own.netloc, ""} or not path.startswith(base):
        return None
    rest = path[len(base) :]
    if rest in {"", ".", ".."} or "/" in rest:
        return None
    return f"{folder}{target.path.rstrip('/').rsplit('/', 1)[1]}"
