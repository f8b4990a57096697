"""What both kinds of clients share: settings of httpx, errors in our words, files in pieces."""

from __future__ import annotations

import os
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from mlaas4hep.client.calls import Call, ServerError, failure
from mlaas4hep.client.credentials import check_token, is_loopback, tls_context
from mlaas4hep.credentials.bearer import find_token
from mlaas4hep.errors import ConfigError, OutputError

__all__ = ["arguments", "awaited", "partial_file", "pieces", "read", "settings", "translated"]

PIECE = 1 << 20
IDLE = 2.0
"""Seconds after which an unused connection is not used again: servers close theirs soon after."""


def settings(
    url: str, token: str | None, timeout: float, *, insecure: bool, tls: ssl.SSLContext | None = None
) -> dict[str, Any]:
    """Arguments that both kinds of httpx clients take; the way to check the server is found if it is not given.

    Raises:
        ConfigError: the URL is none, or the token cannot be sent there.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise ConfigError("is not a URL of a server", where=url, hint="such as https://host:8083")
    found = token if token is not None else find_token()
    headers = {}
    if found:
        check_token(found, url, insecure=insecure)
        headers["authorization"] = f"Bearer {found}"
    made: dict[str, Any] = {"base_url": url.rstrip("/"), "headers": headers, "timeout": timeout}
    made["limits"] = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=IDLE)
    made["trust_env"] = not is_loopback(url)  # a proxy would see the token
    if parts.scheme == "https":
        made["verify"] = tls or tls_context()
    return made


def arguments(call: Call, timeout: float) -> dict[str, Any]:
    """Arguments of a request but its file."""
    return {**call.arguments, "timeout": httpx.Timeout(max(timeout, call.patience), pool=None)}


def read(call: Call, answer: httpx.Response, url: str) -> Any:
    """What the caller gets.

    Raises:
        ServerError: the server refused, or is another kind of server.
    """
    if not answer.is_success:
        raise failure(answer)
    try:
        return call.read(answer)
    except (ValueError, LookupError, TypeError, StopIteration) as error:
        raise ServerError(
            "the answer is not that of an inference server",
            status=answer.status_code,
            where=url,
            hint="is the URL right?",
        ) from error


@contextmanager
def translated(url: str, http: httpx.Client | httpx.AsyncClient) -> Iterator[None]:
    """Errors of the connection become ours.

    Raises:
        ConfigError: the client was closed.
        ServerError: there is no answer.
    """
    if http.is_closed:
        raise ConfigError("the client is closed", where=url, hint="make another one")
    try:
        yield
    except httpx.TimeoutException as error:
        raise ServerError("no answer in time", where=url, hint="allow more time, or ask for less") from error
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise ServerError(
            f"no answer ({reason})", where=url, hint="is the server running, and the URL right?"
        ) from error


def pieces(file: Path) -> Iterator[bytes]:
    """A file, piece by piece."""
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            yield piece


async def awaited(file: Path) -> AsyncIterator[bytes]:
    """The same for asyncio."""
    for piece in pieces(file):
        yield piece


@contextmanager
def partial_file(file: Path) -> Iterator[Any]:
    """A file to write to, beside its place; renamed when all went well. Pipes and devices are written to themselves.

    Raises:
        OutputError: it cannot be written.
    """
    file = Path(os.path.realpath(file))  # a link stays, what it leads to is replaced
    partial = file.with_name(f".mlaas4hep.{secrets.token_hex(4)}.partial")
    there = file.exists() and not file.is_file() and not file.is_dir()
    try:
        with (file if there else partial).open("wb") as out:
            yield out
        if not there:
            partial.replace(file)
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror or error})", where=str(file)) from error
    finally:
        partial.unlink(missing_ok=True)
