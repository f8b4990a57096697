"""The keys of OpenID issuers: found by discovery, kept, refreshed, and used further while an issuer is down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc import jwk
from joserfc.errors import JoseError

from mlaas4hep.errors.serving import IssuerUnavailableError

__all__ = ["ALGORITHMS", "Issuer"]

LOG = logging.getLogger("mlaas4hep.serve")
ALGORITHMS = ("RS256", "ES256")
PAUSE = 10.0
TIMEOUT = 10.0
LARGEST = 1 << 20
MIN_RSA_BITS = 2048
Key = jwk.RSAKey | jwk.ECKey


class Issuer:
    """One issuer and its keys, from ``<url>/.well-known/openid-configuration``.

    Args:
        url: as in the claim ``iss``.
        authorities: file or folder of certificate authorities; None: the system's.
        keep: seconds that keys stay in use without a successful look.
        pause: seconds between looks that unknown keys cause.

    Attributes:
        generation: goes up when a key is gone or replaced; what was verified before counts no more.
    """

    def __init__(
        self, url: str, authorities: Path | None = None, *, keep: float = 86_400.0, pause: float = PAUSE
    ) -> None:
        self.url = url
        self.generation = 0
        self._authorities = authorities
        self._keep = keep
        self._pause = pause
        self._keys: dict[str, Key] = {}
        self._prints: dict[str, str] = {}
        self._seen: float | None = None
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, kid: str | None) -> Key | None:
        """Return the key of this identifier, None if there is none; without an identifier the only key.

        A key that is not known is looked for, at most once in `pause` seconds.

        Raises:
            IssuerUnavailableError: no keys are known.
        """
        found = self._find(kid)
        if found is None:
            async with self._lock:
                found = self._find(kid)
                if found is None and self._may_look():
                    await self._look()
                    found = self._find(kid)
        if found is None and not self._fresh():
            raise IssuerUnavailableError("the issuer of the token cannot be reached", hint="try again later")
        return found

    async def refresh(self) -> bool:
        """Fetch the keys now; return False, after a line in the log, if that fails."""
        async with self._lock:
            return await self._look()

    def _find(self, kid: str | None) -> Key | None:
        if not self._fresh():
            return None
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    def _fresh(self) -> bool:
        return self._seen is not None and time.monotonic() - self._seen < self._keep

    def _may_look(self) -> bool:
        return self._tried is None or time.monotonic() - self._tried >= self._pause

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT):
                keys = await self._fetch()
        except (OSError, httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            LOG.warning("no keys from issuer %s: %s", self.url, str(error) or type(error).__name__)
            return False
        finally:
            self._tried = time.monotonic()
        prints = {kid: key.thumbprint() for kid, key in keys.items()}
        if any(prints.get(kid) != known for kid, known in self._prints.items()):
            self.generation += 1
        self._keys, self._prints, self._seen = keys, prints, time.monotonic()
        return True

    async def _fetch(self) -> dict[str, Key]:
        context = _context(self._authorities)
        async with httpx.AsyncClient(verify=context, timeout=TIMEOUT, follow_redirects=False) as client:
            found = await _json(client, f"{self.url.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.url:
                msg = f"it calls itself {found.get('issuer')!r}"
                raise ValueError(msg)
            keys_url = found.get("jwks_uri")
            if not isinstance(keys_url, str) or urlsplit(keys_url).scheme not in {"https", urlsplit(self.url).scheme}:
                msg = f"its jwks_uri is {keys_url!r}"
                raise ValueError(msg)
            listed = (await _json(client, keys_url)).get("keys")
        keys = _usable(listed if isinstance(listed, list) else [])
        if not keys:
            msg = f"it has no key for {' or '.join(ALGORITHMS)}"
            raise ValueError(msg)
        return keys


def _context(authorities: Path | None) -> ssl.SSLContext:
    if authorities is None:
        return ssl.create_default_context()
    if authorities.is_dir():
        return ssl.create_default_context(capath=str(authorities))
    return ssl.create_default_context(cafile=str(authorities))


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url, headers={"accept": "application/json"}) as response:
        if response.status_code != httpx.codes.OK:
            msg = f"{url} answered {response.status_code}"
            raise ValueError(msg)
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > LARGEST:
                msg = f"{url} answered more than {LARGEST} bytes"
                raise ValueError(msg)
    data = json.loads(body)
    if not isinstance(data, dict):
        msg = f"{url} is not a JSON object"
        raise ValueError(msg)
    return data


def _usable(listed: list[Any]) -> dict[str, Key]:
    """Return the public keys for signatures of the two algorithms, by identifier; others are left out."""
    keys: dict[str, Key] = {}
    for number, data in enumerate(listed):
        if not isinstance(data, dict) or data.get("use", "sig") != "sig" or data.get("alg") not in (None, *ALGORITHMS):
            continue
        with contextlib.suppress(JoseError, ValueError, KeyError, TypeError):
            key = jwk.import_key(data)
            strong = isinstance(key, jwk.RSAKey) and key.raw_value.key_size >= MIN_RSA_BITS
            if strong or (isinstance(key, jwk.ECKey) and key.curve_name == "P-256"):
                keys[str(data.get("kid", f"#{number}"))] = key  # type: ignore[assignment]
    return keys
