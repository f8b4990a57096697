"""The route table of a server: dispatch, access, limits, metrics, OpenAPI document and fast path read this one."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from mlaas4hep.web.bodies import Buffer, read_body
from mlaas4hep.web.errors import Failures, send_failure
from mlaas4hep.web.replies import PendingReply, Reply, send_reply
from mlaas4hep.web.rights import Right
from mlaas4hep.web.telemetry.metrics import OTHER

__all__ = ["Call", "Fast", "Found", "Handler", "Routes"]

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
LONGEST = 512
"""Characters of a path up to which what was found is remembered."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def _no_header(_: Mapping[bytes, bytes]) -> None:
    """Return None: the body holds no binary tensors."""


@dataclass(frozen=True)
class Fast:
    """A handler that answers from the whole body; small requests reach it without ASGI, on the fast path.

    Attributes:
        answer: returns the reply, or something to await, from the parameters of the path, the header fields and the
            body; raises nothing.
        limit: largest body in bytes, before and after unpacking.
        header: returns from the header fields the bytes of JSON before binary tensors; see `read_body`.
    """

    answer: Callable[[Mapping[str, str], Mapping[bytes, bytes], Buffer], PendingReply]
    limit: int
    header: Callable[[Mapping[bytes, bytes]], int | None] = _no_header

    async def __call__(self, parameters: Mapping[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request over ASGI, errors too."""
        fields = dict(scope["headers"])
        try:
            body = await read_body(scope, receive, self.limit, header=self.header(fields))
        except ClientDisconnect:
            return
        except Exception as error:
            await send_failure(error, receive, send)
            return
        reply = self.answer(parameters, fields, body)
        await send_reply(reply if isinstance(reply, Reply) else await reply, send)


@dataclass(frozen=True)
class Call:
    """One method of one path, with everything that the server knows about it.

    Attributes:
        method: in capitals; GET answers HEAD as well.
        path: without the base path, with parameters such as ``{model}`` (one segment) and ``{path:path}`` (the rest).
        right: what the caller must be allowed to do.
        handler: answers it.
        operation: its part of the OpenAPI document, without the parameters of the path; None: it is not described.
        body: where the body goes: to memory, within `limits.body` and the body budget, or to disk, within
            `limits.upload`.
    """

    method: str
    path: str
    right: Right
    handler: Handler | Fast
    operation: Mapping[str, Any] | None = None
    body: Literal["memory", "disk"] = "memory"

    @property
    def template(self) -> str:
        """Return the path as the OpenAPI document and metrics have it."""
        return self.path.replace(":path}", "}")


class Found(NamedTuple):
    """What the table says about a request.

    Attributes:
        path: without the base path.
        template: the path without names, for metrics; `OTHER` if the table does not have it.
        right: what the caller must be allowed to do; for what is not in the table to read, or else to manage.
        call: None: the table does not have the path, or not with this method.
        parameters: of the path, by name.
        methods: that the path takes.
    """

    path: str
    template: str
    right: Right
    call: Call | None
    parameters: Mapping[str, str]
    methods: tuple[str, ...] = ()


class Routes:
    """Answers the calls of a table, as an ASGI application that no error leaves.

    Args:
        calls: the table. A path without parameters goes before one with, else the first that fits counts.
        base: prefix of all paths, as ``/ml``.

    Attributes:
        calls, base: as given.
    """

    def __init__(self, calls: Sequence[Call], base: str = "") -> None:
        self.calls = tuple(calls)
        self.base = base
        self._paths: dict[str, dict[str, Call]] = {}
        for call in self.calls:
            self._paths.setdefault(call.path, {})[call.method] = call
        self._patterns = [(compile_path(path)[0], path) for path in self._paths if "{" in path]
        self._remembered = functools.lru_cache(maxsize=1024)(self._look)
        self._handled = Failures(self._handle)

    def find(self, method: str, path: str) -> Found:
        """Return what the table says about a request; `path` is whole, with the base path."""
        return self._remembered(method, path) if len(path) <= LONGEST else self._look(method, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = self.find(scope["method"], scope["path"])
        if found.call is not None and isinstance(found.call.handler, Fast):
            await found.call.handler(found.parameters, scope, receive, send)
        else:
            await self._handled(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.find(scope["method"], scope["path"])
        if found.call is None or isinstance(found.call.handler, Fast):
            response = _missing(scope["method"], found.methods)
        else:
            scope["path_params"] = dict(found.parameters)
            response = await found.call.handler(Request(scope, receive, send))
        await response(scope, receive, send)

    def _look(self, method: str, path: str) -> Found:
        inner = path[len(self.base) :] if path == self.base or path.startswith(f"{self.base}/") else None
        calls, parameters = self._match(inner)
        call = calls.get("GET" if method == "HEAD" else method)
        right = call.right if call is not None else Right.READ if method in _READING else Right.MANAGE
        template = next(iter(calls.values())).template or self.base if calls else OTHER
        methods = (*calls, "HEAD") if "GET" in calls else tuple(calls)
        return Found(inner or path, template, right, call, parameters, tuple(sorted(methods)))

    def _match(self, path: str | None) -> tuple[Mapping[str, Call], Mapping[str, str]]:
        """Return the calls of a path by method, and its parameters."""
        if path is None:
            return {}, {}
        if path in self._paths:
            return self._paths[path], {}
        for pattern, known in self._patterns:
            if match := pattern.match(path):
                return self._paths[known], match.groupdict()
        return {}, {}


def _missing(method: str, methods: tuple[str, ...]) -> Response:
    """Return the answer to OPTIONS; raises HTTPException (404, 405) for everything else."""
    if not methods:
        raise HTTPException(404, "there is no such path")
    allowed = ", ".join(methods)
    if method == "OPTIONS":
        return Response(status_code=204, headers={"allow": allowed})
    raise HTTPException(405, f"the path does not take {method}, only {allowed}", {"allow": allowed})
