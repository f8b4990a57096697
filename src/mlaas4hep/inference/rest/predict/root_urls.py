"""URLs that ``/predict/root`` may read: those below the prefixes of the settings, also after redirects."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from mlaas4hep.errors import without_credentials
from mlaas4hep.errors.serving import BadRequestError, ForbiddenError
from mlaas4hep.streaming.remote.http.client import restrict
from mlaas4hep.streaming.remote.patterns import stands_for_several

__all__ = ["allowed_url", "final_url", "only_allowed"]

REDIRECTS = 5
ELSEWHERE = "this server does not read files from there; its setting root_urls says from where it does"
PORTS = {"http": 80, "https": 443}


def allowed_url(url: Any, prefixes: tuple[str, ...]) -> str:
    """Return the URL if the server may read it.

    Args:
        url: what the client gave.
        prefixes: of `Settings.root_urls`; each ends at a slash or at the URL's own end.

    Raises:
        BadRequestError: it is not a URL, or stands for several files.
        ForbiddenError: it begins with none of the prefixes, or leads out of one with ``..``.
    """
    if not isinstance(url, str) or not url or not url.isprintable() or len(url) > 4096:
        raise BadRequestError("the body must hold the url of a file")
    if _climbs(url) or not any(_is_below(url, prefix) for prefix in prefixes):
        raise ForbiddenError(ELSEWHERE, where=_shown(url))
    if stands_for_several(url):
        raise BadRequestError("the url stands for several files; one at a time is scored", where=_shown(url))
    return url


async def final_url(url: str, prefixes: tuple[str, ...]) -> str:
    """Return where the redirects of an HTTP URL end; other URLs as they are.

    Raises:
        BadRequestError: there are too many redirects, or nobody answers.
        ForbiddenError: one of them leads where `allowed_url` does not.
    """
    if not url.lower().startswith(("http://", "https://")):
        return url
    import httpx

    try:
        async with httpx.AsyncClient(timeout=20) as client:
            for _ in range(REDIRECTS):
                answer = await client.head(url)
                if not answer.has_redirect_location:
                    return url
                url = allowed_url(str(answer.url.join(answer.headers["location"])), prefixes)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadRequestError(f"the file cannot be reached ({type(error).__name__})", where=_shown(url)) from None
    raise BadRequestError("the file is redirected too often", where=_shown(url))


def only_allowed(prefixes: Sequence[str]) -> None:
    """Let this process ask over HTTP for what is below the prefixes, and from now on for nothing else.

    A server can answer the check of `final_url` in one way and the reader in another. So every connection and every
    request is looked at, of our own reader and of what uses Python's. There is no way back. What other protocols are
    told by their servers, such as XRootD's redirectors, is not seen here.
    """
    places = [_place(prefix) for prefix in prefixes]

    def check(scheme: str, host: str, port: int | None, target: str | None) -> None:
        paths = [path for *place, path in places if tuple(place) == (scheme, host.lower(), port)]
        if target is not None:
            paths = [path for path in paths if _is_below(target, path) and not _climbs(target)]
        if not paths:
            raise ForbiddenError(ELSEWHERE, where=ascii(host[:200]))

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("http.client.connect", "http.client.send"):
            return
        connection = arguments[0]
        scheme = "https" if isinstance(connection, http.client.HTTPSConnection) else "http"
        target = None
        if event == "http.client.send":
            words = bytes(arguments[1]).split(b" ", 2)
            target = words[1].decode("latin-1") if len(words) == 3 else ""
        check(scheme, connection.host, connection.port, target)

    def look_at(url: str) -> None:
        scheme, host, port, _ = _place(url)
        parts = urlsplit(url)
        check(scheme, host, port, f"{parts.path}?{parts.query}" if parts.query else parts.path)

    sys.addaudithook(look)
    restrict(look_at)


def _place(prefix: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(prefix)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme), parts.path


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def _shown(url: str) -> str:
    return ascii(without_credentials(url)[:200])


def _climbs(url: str) -> bool:
    return ".." in unquote(unquote(url)).replace("\\", "/").split("/")
