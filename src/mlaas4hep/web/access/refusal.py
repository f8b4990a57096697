"""The answer to a request that may not go on."""

from __future__ import annotations

from starlette.types import Message, Receive, Send

from mlaas4hep.errors.serving import ServingError, UnauthorisedError
from mlaas4hep.web.access.rate_limit import RateExceededError
from mlaas4hep.web.access.tokens import ScopeMissingError, TokenMissingError
from mlaas4hep.web.errors import UnreadBodyError, send_failure

__all__ = ["challenge", "refuse"]

REALM = 'Bearer realm="mlaas4hep"'


async def refuse(error: ServingError, receive: Receive, send: Send, *, unread: bool) -> None:
    """Send the answer, with ``WWW-Authenticate`` and ``Retry-After`` where they belong.

    Args:
        error: why.
        receive: the rest of the request.
        send: where the answer goes.
        unread: the client may still be sending a body.
    """
    extra: list[tuple[bytes, bytes]] = []
    if (text := challenge(error)) is not None:
        extra.append((b"www-authenticate", text.encode()))
    if isinstance(error, RateExceededError):
        extra.append((b"retry-after", b"%d" % error.seconds))
    names = {name for name, _ in extra}

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [header for header in message["headers"] if header[0] not in names]
            message["headers"] = [*kept, *extra]
        await send(message)

    shown = error
    if unread and not isinstance(error, UnreadBodyError):
        shown = UnreadBodyError(error.what, where=error.where, hint=error.hint)
        shown.status = error.status
    await send_failure(shown, receive, adding)


def challenge(error: ServingError) -> str | None:
    """Return the header ``WWW-Authenticate`` of an error (RFC 6750), None if it has none."""
    if isinstance(error, TokenMissingError):
        return REALM
    if isinstance(error, UnauthorisedError):
        text = str(error).replace('"', "'")
        return f'{REALM}, error="invalid_token", error_description="{text}"'
    if isinstance(error, ScopeMissingError):
        return f'{REALM}, error="insufficient_scope", scope="{error.scope}"'
    return None
