"""Bearer tokens: who calls, and what the caller may do."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from mlaas4hep.errors.serving import BEARER, ForbiddenError, UnauthorisedError
from mlaas4hep.web.access.issuers import ALGORITHMS, PAUSE, Issuer, Key
from mlaas4hep.web.rights import Right
from mlaas4hep.web.settings import WebSecurity

__all__ = ["ANY_AUDIENCE", "Authenticator", "Caller", "ScopeMissingError", "TokenMissingError"]

ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"
LONGEST = 16 * 1024
REMEMBERED = 10_000
TYPES = (None, "jwt", "at+jwt", "application/at+jwt", "application/jwt")


class TokenMissingError(UnauthorisedError):
    """There is no token."""

    def __init__(self) -> None:
        super().__init__("a bearer token is needed")

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge."""
        return {"www-authenticate": BEARER}


class ScopeMissingError(ForbiddenError):
    """The token is good but lacks a scope.

    Args:
        scope: the one that would do.
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"the token lacks the scope {scope}")

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge, with the scope."""
        return {"www-authenticate": f'{BEARER}, error="insufficient_scope", scope="{self.scope}"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token names.

    Attributes:
        subject: the claim ``sub``.
        issuer: the claim ``iss``.
        scopes: what the token allows.
        expires: seconds since 1970.
        key: tells callers apart, for rate limits.
        generation: of the issuer's keys when the token was verified.
    """

    subject: str
    issuer: str
    scopes: frozenset[str]
    expires: float
    key: bytes
    generation: int


class Authenticator:
    """Verifies tokens: signature (RS256, ES256), issuer, audience, times, scopes.

    A verified one is remembered until it expires.

    Args:
        settings: issuers, audiences, names of scopes.
        clock: seconds since 1970.
        pause: see `Issuer`.
    """

    def __init__(self, settings: WebSecurity, clock: Callable[[], float] = time.time, pause: float = PAUSE) -> None:
        self._settings = settings
        self._clock = clock
        self._issuers = {
            url: Issuer(url, settings.authorities, keep=settings.keep, pause=pause) for url in settings.issuers
        }
        self._audiences = frozenset((*settings.audience, ANY_AUDIENCE))
        self._scopes = settings.scopes
        self._known: dict[bytes, Caller] = {}

    def remembered(self, authorization: bytes) -> Caller | None:
        """Return the caller of a header that was verified before and is still valid; costs two microseconds."""
        digest = hashlib.sha256(authorization).digest()
        caller = self._known.get(digest)
        if caller is None:
            return None
        issuer = self._issuers[caller.issuer]
        if caller.generation != issuer.generation or self._clock() >= caller.expires + self._settings.leeway:
            del self._known[digest]
            return None
        return caller

    async def caller(self, authorization: bytes | None) -> Caller:
        """Return whom the header ``Authorization`` names.

        Raises:
            UnauthorisedError: no token, or one that does not hold; says why.
            IssuerUnavailableError: its issuer's keys cannot be had.
        """
        if not authorization:
            raise TokenMissingError
        known = self.remembered(authorization)
        if known is not None:
            return known
        kind, _, token = authorization.strip().partition(b" ")
        if kind.lower() != b"bearer" or not token.strip():
            raise TokenMissingError
        caller = await self._verify(token.strip())
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[hashlib.sha256(authorization).digest()] = caller
        return caller

    def permit(self, caller: Caller, right: Right) -> None:
        """Raise ScopeMissingError, naming the scope, if the caller lacks the right."""
        scope = self._scopes[right]
        if scope not in caller.scopes:
            raise ScopeMissingError(scope)

    def scope(self, right: Right) -> str:
        """Return the scope that gives a right; "" for what is open."""
        return self._scopes.get(right, "")

    async def refresh(self) -> None:
        """Fetch the keys of all issuers."""
        await asyncio.gather(*(issuer.refresh() for issuer in self._issuers.values()))

    async def keep_fresh(self) -> None:
        """Fetch the keys now and then, for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._settings.refresh)

    async def _verify(self, token: bytes) -> Caller:
        if len(token) > LONGEST:
            raise UnauthorisedError("the token is too long")
        header, claims = _unverified(token)
        if header.get("alg") not in ALGORITHMS:
            raise UnauthorisedError(f"the token must be signed with {' or '.join(ALGORITHMS)}")
        kind = header.get("typ")
        if (kind.lower() if isinstance(kind, str) else kind) not in TYPES:
            raise UnauthorisedError("the token is not an access token")
        url = claims.get("iss")
        issuer = self._issuers.get(url) if isinstance(url, str) else None
        if issuer is None:
            raise UnauthorisedError("the issuer of the token is not trusted")
        kid = header.get("kid")
        key = await issuer.key(kid if isinstance(kid, str) else None)
        if key is None:
            raise UnauthorisedError("the token is signed with a key that its issuer does not have")
        _check_signature(token, key)
        return self._caller(claims, issuer)

    def _caller(self, claims: dict[str, Any], issuer: Issuer) -> Caller:
        now, leeway = self._clock(), self._settings.leeway
        expires = _time(claims, "exp")
        if expires is None:
            raise UnauthorisedError("the token has no expiry")
        if now >= expires + leeway:
            raise UnauthorisedError("the token is expired")
        if (_time(claims, "nbf") or 0.0) > now + leeway:
            raise UnauthorisedError("the token is not valid yet")
        if (_time(claims, "iat") or 0.0) > now + leeway:
            raise UnauthorisedError("the token was issued in the future")
        audience = claims.get("aud")
        if self._audiences.isdisjoint(_texts([audience] if isinstance(audience, str) else audience)):
            raise UnauthorisedError("the token is for another audience")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise UnauthorisedError("the token names no subject")
        scope = claims.get("scope", claims.get("scp"))
        scopes = frozenset(_texts(scope.split() if isinstance(scope, str) else scope))
        return Caller(subject, issuer.url, scopes, expires, f"{issuer.url} {subject}".encode(), issuer.generation)


def _unverified(token: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = token.split(b".")
    with contextlib.suppress(binascii.Error, ValueError, RecursionError):
        if len(parts) == 3:
            header, claims = (
                json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))) for part in parts[:2]
            )
            if isinstance(header, dict) and isinstance(claims, dict):
                return header, claims
    raise UnauthorisedError("the token is not a signed JWT")


def _check_signature(token: bytes, key: Key) -> None:
    try:
        jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError):
        raise UnauthorisedError("the signature of the token does not hold") from None


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnauthorisedError(f"the token's {name} is not a time")
    return float(value)


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
