"""Reading parts of files over HTTP: kept connections, credentials for the right server alone, failures by status.

A bearer token is sent over TLS only, to the host that the user named and not to those it redirects to. It is read anew
for each request, an X.509 proxy at each new connection, so that renewed ones are picked up while a training runs.
"""

from __future__ import annotations

import atexit
import errno
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx

from mlaas4hep.credentials import authorities, bearer, x509
from mlaas4hep.errors import without_credentials
from mlaas4hep.errors.reading import AuthenticationError

__all__ = ["TIMEOUT", "HTTPStatusError", "MissingError", "describe", "plain_url", "read", "request", "restrict"]

TIMEOUT: Final = 20.0
"""Seconds that a server may take to answer."""

_REDIRECTS: Final = 10
_PLAIN: Final = {"dav": "http", "davs": "https"}
_TOTAL: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class HTTPStatusError(OSError):
    """A server answered with something other than was asked for.

    Attributes:
        status: of its answer.
    """

    def __init__(self, url: str, status: int, what: str = "") -> None:
        super().__init__(f"the server returned {status}{what} for {without_credentials(url)}")
        self.status = status


class MissingError(HTTPStatusError, FileNotFoundError):
    """There is no such file."""


def describe(url: str, timeout: float = TIMEOUT) -> dict[str, str]:
    """Return the headers of a file, by lower-case name, with its whole size as ``content-length``.

    One byte is asked for, which servers answer that take no HEAD, and which shows whether parts can be had: then there
    is ``accept-ranges: bytes``, else ``none``.

    Raises:
        OSError: there is no such file, or it is out of reach.
    """
    with request("GET", url, {"Range": "bytes=0-0"}, timeout=timeout, also=(416,)) as answer:
        found = {name.lower(): value for name, value in answer.headers.items()}
        total = _TOTAL.fullmatch(answer.headers.get("content-range", ""))
        partial = answer.status_code in {206, 416}
        if partial and (total is None or total[3] == "*"):
            raise HTTPStatusError(url, answer.status_code, ", without the size of the file")
        if total is not None and partial:
            found["content-length"] = total[3]
        return {**found, "accept-ranges": "bytes" if partial else "none"}


def read(url: str, start: int, stop: int, timeout: float = TIMEOUT) -> bytes:
    """Return the bytes from ``start`` to before ``stop``; fewer at the end of the file.

    Raises:
        OSError: the file is out of reach, or the server sends whole files only and ``start`` is not 0.
    """
    if stop <= start:
        return b""
    with request("GET", url, {"Range": f"bytes={start}-{stop - 1}"}, timeout=timeout, also=(416,)) as answer:
        if answer.status_code == 416:  # behind the end
            return b""
        if answer.status_code != 206:
            return _beginning(url, answer, start, stop)
        found = _TOTAL.fullmatch(answer.headers.get("content-range", ""))
        if found is None or found[1] is None or int(found[1]) != start:
            raise HTTPStatusError(url, 206, f", but other bytes than {start}-{stop - 1}")
        data = b"".join(answer.iter_raw())  # as stored, also where the server tells that it is compressed
        if len(data) != int(found[2]) + 1 - start:
            raise HTTPStatusError(url, 206, ", but not as many bytes as it said")
        return data[: stop - start]


@contextmanager
def request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float = TIMEOUT,
    also: tuple[int, ...] = (),
) -> Iterator[httpx.Response]:
    """Send a request, follow redirects, and give the answer, whose body has not been read.

    Args:
        method: of HTTP or WebDAV.
        url: ``http``, ``https``, ``dav`` or ``davs``.
        headers: besides those with credentials; in capitals as XRootD 5.5 wants them.
        timeout: seconds for each step.
        also: statuses above 399 that are no error.

    Raises:
        OSError: no connection, no answer in time, or an error's status.
    """
    first = at = plain_url(url)
    for _ in range(_REDIRECTS):
        for check in _checks:
            check(at)
        sent = {"Accept-Encoding": "identity", **(headers or {}), **(_credentials(at) if _same(at, first) else {})}
        with _answered(method, at, sent, timeout) as answer:
            status = answer.status_code
            target = answer.headers.get("location") if status in {301, 302, 303, 307, 308} else None
            if target is None:
                if status >= 300 and status not in also:
                    raise (MissingError if status in {404, 410} else HTTPStatusError)(url, status)
                yield answer
                return
        at = urljoin(at, target)
        if urlsplit(at).scheme not in {"http", "https"}:
            raise HTTPStatusError(url, status, " (redirect) without a 'location' that is HTTP")
    raise HTTPStatusError(url, status, " (redirect) again and again, without a 'location' that ends it")


def restrict(check: Callable[[str], None]) -> None:
    """Have every URL looked at before it is asked for, those of redirects too, from now on in this process.

    Args:
        check: raises for one that must not be read.
    """
    _checks.append(check)


def plain_url(url: str) -> str:
    """Return the URL with ``http`` for ``dav``, and ``https`` for ``davs``."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme=_PLAIN.get(parts.scheme.lower(), parts.scheme.lower())))


def _credentials(url: str) -> dict[str, str]:
    """The header with a token; what the URL has itself goes before."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.username is not None or "authz=" in parts.query.lower():
        return {}
    token = bearer.find_token()
    return {"Authorization": f"Bearer {token}"} if token and re.fullmatch(r"[\x21-\x7e]+", token) else {}


def _same(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]


@contextmanager
def _answered(method: str, url: str, headers: Mapping[str, str], timeout: float) -> Iterator[httpx.Response]:
    """The answer to one request; the failures of the library are those of the system below."""
    client = _client(url)
    for last in (False, True):
        try:
            made = client.build_request(method, url, headers=dict(headers), timeout=timeout)
            answer = client.send(made, stream=True)
            break
        except httpx.RemoteProtocolError as error:  # a kept connection that the server has just closed
            if last:
                raise ConnectionResetError(f"the connection broke: {error}") from error
        except httpx.HTTPError as error:
            raise _system_error(error) from error
        except httpx.InvalidURL as error:
            raise OSError(errno.EINVAL, f"is not a URL of a server: {error}") from error
    try:
        yield answer
    except httpx.HTTPError as error:
        raise _system_error(error) from error
    finally:
        answer.close()


def _system_error(error: httpx.HTTPError) -> OSError:
    if isinstance(error, httpx.TimeoutException):
        return TimeoutError("timed out")
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError):
            return below
        below = below.__cause__ or below.__context__
    kind = ConnectionError if isinstance(error, httpx.TransportError) else OSError
    return kind(str(error) or type(error).__name__)


def _beginning(url: str, answer: httpx.Response, start: int, stop: int) -> bytes:
    """The first bytes of a whole file; all others can be had only with all before them."""
    if start:
        raise HTTPStatusError(url, answer.status_code, ", rather than 206 (range requests)")
    parts, got = [], 0
    for part in answer.iter_raw():
        parts.append(part)
        got += len(part)
        if got >= stop:
            break
    return b"".join(parts)[:stop]


def _client(url: str) -> httpx.Client:
    """The connections of this process; over TLS servers that ask are shown the proxy as it is now, if it is valid."""
    with _lock:
        client, context = _made(os.getpid(), authorities.folder())
    found = x509.find() if url.startswith("https:") else None
    if found is not None and found.expires is not None and not found.expired(time.time()):
        facts = (found.file, found.expires)
        with _lock:
            if _shown.get("proxy") != facts:
                _show(context, str(found.file))
                _shown["proxy"] = facts
    return client


def _show(context: ssl.SSLContext, proxy: str) -> None:
    try:
        context.load_cert_chain(proxy)  # for connections from now on
    except OSError as error:
        what = f"the X.509 proxy {proxy} cannot be used ({error.strerror or error})"
        raise AuthenticationError(what, hint="renew or remove it") from error


@cache
def _made(process: int, trusted: Path | None) -> tuple[httpx.Client, ssl.SSLContext]:
    del process, trusted  # a forked one has connections of its own
    _shown.clear()
    context = authorities.trust(ssl.create_default_context())
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=30)
    client = httpx.Client(verify=context, limits=limits, follow_redirects=False)
    atexit.register(client.close)
    return client, context


_checks: list[Callable[[str], None]] = []
_lock = threading.Lock()
_shown: dict[str, Any] = {}
