"""What a request or connection is refused with before any route sees it."""

from __future__ import annotations

from http import HTTPStatus

import orjson

__all__ = ["Refusal"]


class Refusal(Exception):
    """The request cannot be taken.

    Args:
        status: of the answer, after which the connection ends.
        what: says why.
        header: one more line of the answer's head.
    """

    def __init__(self, status: int, what: str, header: bytes = b"") -> None:
        self.status = status
        self._header = header
        super().__init__(what)

    def answer(self) -> bytes:
        """Return the whole answer."""
        body = orjson.dumps({"error": str(self)})
        status = f"{self.status} {HTTPStatus(self.status).phrase}".encode()
        return (
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
            % (status, len(body), self._header, body)
        )
