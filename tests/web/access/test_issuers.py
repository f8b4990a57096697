"""Keys of a real provider: rotated, unreachable, back again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk, jwt

from mlaas4hep.errors.serving import IssuerUnavailableError, UnauthorisedError
from mlaas4hep.inference.settings import Security
from mlaas4hep.web.access.tokens import Authenticator, ScopeMissingError, TokenMissingError
from mlaas4hep.web.rights import Right
from tests.support.issuer import AUDIENCE, Issuer


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Issuer]:
    """A provider that a test may stop; running in the end."""
    made = Issuer(tmp_path / "keys.json")
    yield made
    made.stop()


def settings(issuer: Issuer, **more: Any) -> Security:
    return Security(issuers=(issuer.url,), audience=(AUDIENCE,), **more)


def header(issuer: Issuer, **more: Any) -> bytes:
    return f"Bearer {issuer.token(**more)}".encode()


def test_rotated_keys_are_found_and_old_tokens_fall(own: Issuer) -> None:
    async def run() -> None:
        authenticator = Authenticator(settings(own), pause=0)
        old = header(own)
        assert (await authenticator.caller(old)).subject == "physicist"
        assert authenticator.remembered(old) is not None
        own.stop()
        own.keys.unlink()
        own.start()
        assert (await authenticator.caller(header(own))).issuer == own.url
        assert authenticator.remembered(old) is None
        with pytest.raises(UnauthorisedError, match="a key that its issuer does not have"):
            await authenticator.caller(old)

    asyncio.run(run())


def test_unknown_keys_cause_few_looks(own: Issuer) -> None:
    async def run() -> None:
        authenticator = Authenticator(settings(own), pause=3600)
        await authenticator.caller(header(own))
        own.stop()
        own.keys.unlink()
        own.start()
        with pytest.raises(UnauthorisedError, match="a key that its issuer does not have"):
            await authenticator.caller(header(own))
        await authenticator.refresh()  # as it is done on schedule
        await authenticator.caller(header(own))

    asyncio.run(run())


def test_a_provider_that_is_down_is_borne_for_a_while(own: Issuer) -> None:
    async def run() -> None:
        authenticator = Authenticator(settings(own), pause=0)
        first, second = header(own), header(own, scope="models.read")
        await authenticator.caller(first)
        own.stop()
        await authenticator.refresh()
        assert (await authenticator.caller(second)).scopes == {"models.read"}
        forgetful = Authenticator(settings(own), pause=0)
        with pytest.raises(IssuerUnavailableError, match="cannot be reached"):
            await forgetful.caller(second)
        own.start()
        await forgetful.caller(second)
        short = Authenticator(settings(own, keep=0.001), pause=3600)
        await short.refresh()
        await asyncio.sleep(0.002)
        with pytest.raises(IssuerUnavailableError):
            await short.caller(second)

    asyncio.run(run())


def test_times_and_claims(own: Issuer) -> None:
    """Tokens that the provider would not make, signed with its own key."""
    data = next(key for key in json.loads(own.keys.read_text()) if key["alg"] == "RS256")
    key, now = jwk.RSAKey.import_key(data), int(time.time())
    good = {"iss": own.url, "sub": "a", "aud": ["x", AUDIENCE], "exp": now + 60, "scope": ["models.read"]}

    def token(change: dict[str, Any], typ: str = "JWT") -> bytes:
        claims = {name: value for name, value in {**good, **change}.items() if value is not None}
        return f"Bearer {jwt.encode({'alg': 'RS256', 'kid': data['kid'], 'typ': typ}, claims, key)}".encode()

    async def run() -> None:
        authenticator = Authenticator(settings(own, leeway=600))
        within: list[dict[str, Any]] = [{}, {"exp": now - 300}, {"nbf": now + 300}, {"iat": now + 300}, {"iat": 0}]
        for change in within:
            caller = await authenticator.caller(token(change))
            authenticator.permit(caller, Right.READ)
            with pytest.raises(ScopeMissingError, match=r"lacks the scope models\.predict"):
                authenticator.permit(caller, Right.PREDICT)
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"exp": None}, "no expiry"),
            ({"exp": now - 900}, "is expired"),
            ({"exp": str(now + 60)}, "exp is not a time"),
            ({"exp": True}, "exp is not a time"),
            ({"nbf": now + 1200}, "not valid yet"),
            ({"iat": now + 1200}, "in the future"),
            ({"aud": None}, "another audience"),
            ({"aud": [AUDIENCE + "x"]}, "another audience"),
            ({"aud": {AUDIENCE: 1}}, "another audience"),
            ({"sub": None}, "no subject"),
            ({"sub": ""}, "no subject"),
            ({"iss": own.url + "/"}, "not trusted"),
            ({"iss": None}, "not trusted"),
            ({"iss": [own.url]}, "not trusted"),
        ]
        for change, message in wrong:
            with pytest.raises(UnauthorisedError, match=message):
                await authenticator.caller(token(change))
        with pytest.raises(UnauthorisedError, match="not an access token"):
            await authenticator.caller(token({}, typ="logout+jwt"))
        nobody = await authenticator.caller(token({"scope": {"models.read": True}}))
        assert nobody.scopes == frozenset()
        with pytest.raises(UnauthorisedError, match="too long"):
            await authenticator.caller(b"Bearer " + b"x" * 20_000)
        for nothing in (None, b"", b"Bearer", b"Bearer  ", b"Digest x"):
            with pytest.raises(TokenMissingError):
                await authenticator.caller(nothing)

    asyncio.run(run())


def test_another_name_than_the_configured_one_is_not_believed(own: Issuer) -> None:
    async def run() -> None:
        elsewhere = own.url.replace("127.0.0.1", "localhost")
        authenticator = Authenticator(Security(issuers=(elsewhere,), audience=(AUDIENCE,)))
        await authenticator.refresh()
        with pytest.raises(UnauthorisedError, match="not trusted"):
            await authenticator.caller(header(own))

    asyncio.run(run())
