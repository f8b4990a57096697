"""Requests that a web page makes a browser send to a server without authentication."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from mlaas4hep.errors.serving import ForbiddenError
from mlaas4hep.web.settings import WebSettings
from mlaas4hep.web.sockets import is_loopback

__all__ = ["Origins"]

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Origins:
    """Refuses pages of other sites, and names that lead to loopback (DNS rebinding).

    Args:
        settings: the address, which is a name of the server, and others.
    """

    def __init__(self, settings: WebSettings) -> None:
        self._others = frozenset(name.lower() for name in (settings.host, *settings.security.hosts))
        self._loopback = is_loopback(settings.host)
        self._known = lru_cache(maxsize=64)(self._is_known)

    def check(self, method: str, host: bytes | None, origin: bytes | None) -> None:
        """Check the headers Host and Origin of one request; None: not sent.

        Raises:
            ForbiddenError: on loopback, the host is not an address of loopback, not the one that the server listens
                on, and none of `security.hosts`; or the request changes something and comes from the page of another
                host.
        """
        if self._loopback and host is not None and not self._known(host):
            raise ForbiddenError(
                f"the server does not go by the name {_shown(host)}", hint="name it in security.hosts of the server"
            )
        if origin is None or method in _READING:
            return
        scheme, _, authority = origin.lower().partition(b"://")
        same = scheme in (b"http", b"https") and host is not None and authority == host.lower()
        if not same and (not authority or _name(authority) not in self._others):
            raise ForbiddenError(
                f"pages of {_shown(origin)} may not do this", hint="name its host in security.hosts of the server"
            )

    def _is_known(self, host: bytes) -> bool:
        name = _name(host)
        if name is None:
            return False
        if name in self._others or name == "localhost":
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:  # a name that leads here may have been made by anybody
            return False
        return is_loopback(name)


def _name(authority: bytes) -> str | None:
    """Return the host of ``host:port`` in lower case; None if it is not one."""
    text = authority.decode("latin-1")
    if any(character in text for character in "@/?#\\ "):
        return None
    try:
        parts = urlsplit(f"//{text}")
        parts.port  # noqa: B018
    except ValueError:
        return None
    return parts.hostname


def _shown(value: bytes) -> str:
    return ascii(value[:200].decode("latin-1"))
