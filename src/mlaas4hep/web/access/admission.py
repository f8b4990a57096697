"""Decides whether a request may go on: by token and scope, or by host and origin; and by the rate limit."""

from __future__ import annotations

from typing import TypeAlias

from mlaas4hep.errors.serving import UnauthorisedError
from mlaas4hep.web.access.origins import Origins
from mlaas4hep.web.access.rate_limit import RateLimit, client_key
from mlaas4hep.web.access.tokens import Authenticator, Caller
from mlaas4hep.web.rights import Right
from mlaas4hep.web.settings import WebSettings

__all__ = ["Admission", "Client"]

Client: TypeAlias = tuple[str, int] | None
"""Address and port of a client."""


class Admission:
    """Admits the requests of one process. Every method raises a `ServingError` for a request that may not go on.

    Args:
        settings: names of the server.
        authenticator: None: everybody may do everything, but for pages of other sites.
        rate: None: without limit.

    Attributes:
        tokens: callers need a token.
        limited: there is a rate limit.
    """

    def __init__(self, settings: WebSettings, authenticator: Authenticator | None, rate: RateLimit | None) -> None:
        self.tokens = authenticator is not None
        self.limited = rate is not None
        self._authenticator = authenticator
        self._origins = Origins(settings) if authenticator is None else None
        self._rate = rate

    def remembered(self, authorization: bytes | None) -> Caller | None:
        """Return the caller of a token that was verified before; None: without tokens, or this one was not."""
        if self._authenticator is None or not authorization:
            return None
        return self._authenticator.remembered(authorization)

    async def caller(self, authorization: bytes | None, client: Client) -> Caller | None:
        """Return the caller of a token, None without tokens; counts guesses against the rate limit too."""
        if self._authenticator is None:
            return None
        try:
            return await self._authenticator.caller(authorization)
        except UnauthorisedError:
            self.count(None, client)
            raise

    def count(self, caller: Caller | None, client: Client) -> None:
        """Count a request against the rate limit of its caller, or else of its address."""
        if self._rate is not None:
            self._rate.count(caller.key if caller is not None else client_key(client[0] if client else ""))

    def allow(
        self,
        method: str,
        right: Right,
        caller: Caller | None,
        host: bytes | None = None,
        origin: bytes | None = None,
    ) -> None:
        """Check that the caller has the right, or without tokens the headers Host and Origin; None: not sent."""
        if caller is not None and self._authenticator is not None:
            self._authenticator.permit(caller, right)
        elif self._origins is not None:
            self._origins.check(method, host, origin)
