"""The short way of a small prediction: checked, answered and counted in one go, without a task and without ASGI.

It does what the gate does, and leaves to the gate what is not usual: a token that was not seen before, a request that
may not go on, a path that is not among the hot ones. What has to be waited for becomes an ASGI application.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from mlaas4hep.errors.serving import ServingError
from mlaas4hep.web.access.origins import Origins
from mlaas4hep.web.access.rate import Rate, client_key
from mlaas4hep.web.access.tokens import Authenticator, Caller
from mlaas4hep.web.replies import Answering, Reply, Soon, send_reply
from mlaas4hep.web.rights import Right, right_of_http
from mlaas4hep.web.telemetry.accounts import Accounts, outcome
from mlaas4hep.web.telemetry.logs import REQUEST_ID
from mlaas4hep.web.telemetry.state import State

__all__ = ["Hot", "ShortWay"]

LONGEST = 512
SMALL = 2**16
"""Bytes of an answer that fits in the system's buffers: nobody has to wait for its client."""
ODD = frozenset(b"?%#")
Client: TypeAlias = tuple[str, int] | None


class Hot(NamedTuple):
    """A path that is answered this way.

    Attributes:
        path: without the base path.
        template: without names.
        answer: answers it.
    """

    path: str
    template: str
    answer: Answering


class ShortWay:
    """Of one process.

    Args:
        answering: gives what answers a whole path; None: it is not hot.
        templates: gives a path's template.
        base: prefix of all paths.
        state: of this process.
        accounts: told of every request.
        largest: bytes of a body.
        origins: None: there are tokens instead.
        authenticator: None: everybody may do everything.
        rate: None: without limit.
    """

    def __init__(
        self,
        answering: Callable[[str], Answering | None],
        templates: Callable[[str], str],
        base: str,
        state: State,
        accounts: Accounts,
        largest: int,
        origins: Origins | None,
        authenticator: Authenticator | None,
        rate: Rate | None,
    ) -> None:
        self._answering = answering
        self._templates = templates
        self._base = base
        self._state = state
        self._accounts = accounts
        self._held = state.held
        self.largest = largest
        self._origins = origins
        self._authenticator = authenticator
        self._rate = rate
        self._known = lru_cache(maxsize=1024)(self._look)

    def find(self, url: bytes) -> Hot | None:
        """What a POST request for this target is answered by; None: the usual way."""
        return self._known(url) if len(url) <= LONGEST else None

    def answer(
        self, hot: Hot, fields: Mapping[bytes, bytes], client: Client, body: bytes
    ) -> tuple[Reply, bytes] | ASGIApp | None:
        """The answer and the request's id; an application that gives it later; None: nothing was done.

        Args:
            hot: what was found.
            fields: the headers, each given once.
            client: address of the client.
            body: all of it.
        """
        start = time.perf_counter()
        if not self._held.room(len(body)):
            return None
        try:
            caller = self._enter(fields, client)
        except ServingError:
            return None
        if caller is None and self._authenticator is not None:
            return None
        number = self._state.request_id(fields.get(b"x-request-id"))
        token = REQUEST_ID.set(number)
        try:
            reply = hot.answer(fields, body)
            if not isinstance(reply, Reply) or len(reply.body) > SMALL:
                return self._later(hot, reply, number, start, len(body), caller)
            self._accounts.ended("POST", hot.path, hot.template, Right.PREDICT, reply.status, start, client, caller)
        finally:
            REQUEST_ID.reset(token)
        return reply, number.encode()

    def _enter(self, fields: Mapping[bytes, bytes], client: Client) -> Caller | None:
        """The caller, if there are tokens and this one is known; raises `ServingError` if the gate has to refuse."""
        caller = None
        if self._authenticator is not None:
            authorization = fields.get(b"authorization")
            caller = self._authenticator.remembered(authorization) if authorization else None
            if caller is None:
                return None
            self._authenticator.permit(caller, Right.PREDICT)
        elif self._origins is not None:
            self._origins.check("POST", fields.get(b"host"), fields.get(b"origin"))
        if self._rate is not None:
            self._rate.count(caller.key if caller is not None else client_key(client[0] if client else ""))
        return caller

    def _later(self, hot: Hot, reply: Soon, number: str, start: float, size: int, caller: Caller | None) -> ASGIApp:
        metrics = self._state.metrics
        metrics.in_flight += 1
        self._held.take(size)

        async def application(scope: Scope, _: Receive, send: Send) -> None:
            REQUEST_ID.set(number)
            status = 0
            try:
                found = reply if isinstance(reply, Reply) else await reply
                status = found.status
                await send_reply(found._replace(headers=(*found.headers, (b"x-request-id", number.encode()))), send)
                status = await outcome(scope, status)
            finally:
                metrics.in_flight -= 1
                self._held.give(size)
                self._accounts.ended(
                    "POST", hot.path, hot.template, Right.PREDICT, status, start, scope["client"], caller
                )

        return application

    def _look(self, url: bytes) -> Hot | None:
        if not url.startswith(b"/") or not url.isascii() or not ODD.isdisjoint(url):
            return None
        whole = url.decode()
        answer = self._answering(whole)
        path = whole[len(self._base) :]
        if answer is None or right_of_http("POST", path) is not Right.PREDICT:
            return None
        return Hot(path, self._templates(path), answer)
