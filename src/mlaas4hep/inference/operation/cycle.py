"""A shorter way from an answer of one piece to the socket."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

__all__ = ["Cycle"]

KNOWN = frozenset((b"content-type", b"content-length", b"x-request-id", b"inference-header-content-length"))
"""Headers whose values are our own and need no check."""
SMALL = 64 * 1024


class Cycle(RequestResponseCycle):
    """uvicorn's cycle of a request and its answer, which writes head and body of a small answer at once.

    The head is held back until the body, or its first part, is there. Whatever is not usual takes uvicorn's own way.
    """

    held: Any = None

    async def send(self, message: Any) -> None:
        """A part of the answer."""
        if message["type"] == "http.response.start" and not self.response_started:
            self.held = message
            return
        held, self.held = self.held, None
        if held is None:
            await super().send(message)
        elif (head := self._head(held, message)) is None:
            await super().send(held)
            await super().send(message)
        else:
            self.response_started = self.response_complete = True
            self.waiting_for_100_continue = False
            self.transport.write(head + message["body"])
            self.message_event.set()
            self.on_response()

    def _head(self, start: Any, message: Any) -> bytes | None:
        """The answer up to its body; None: send it the usual way."""
        body = message.get("body", b"")
        if (
            not self.keep_alive
            or self.disconnected
            or self.flow.write_paused
            or message.get("more_body", False)
            or self.scope["method"] == "HEAD"
            or len(body) > SMALL
        ):
            return None
        parts = [STATUS_LINE[start["status"]]]
        for name, value in self.default_headers:
            parts += (name, b": ", value, b"\r\n")
        length = None
        for name, value in start["headers"]:
            if name not in KNOWN:
                return None
            if name == b"content-length":
                length = value
            parts += (name, b": ", value, b"\r\n")
        if length is None or int(length) != len(body):
            return None
        parts.append(b"\r\n")
        return b"".join(parts)
