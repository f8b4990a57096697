"""Responses in JSON and with files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mlaas4hep.errors.serving import ModelNotFoundError

__all__ = ["file_response", "json_response"]

BLOCK = 1 << 20


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response in JSON; values that JSON has no form for become text."""
    body = orjson.dumps(content, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    return Response(body, status, headers, media_type="application/json")


def file_response(path: Path, media_type: str, filename: str, headers: dict[str, str] | None = None) -> Response:
    """Return a response with a file, which may be removed as soon as this returns.

    Raises:
        ModelNotFoundError: it was removed before.
    """
    try:
        file = path.open("rb")
    except OSError:
        raise ModelNotFoundError(f"{filename} is gone") from None
    size = os.fstat(file.fileno()).st_size
    plain = filename.encode("ascii", "replace").decode().replace('"', "_")
    fields = {"content-length": str(size), "content-disposition": f'attachment; filename="{plain}"', **(headers or {})}
    return _FileResponse(file, size, media_type, fields)


class _FileResponse(StreamingResponse):
    """Closes the file whatever happens; sends nothing for HEAD."""

    def __init__(self, file: IO[bytes], size: int, media_type: str, headers: dict[str, str]) -> None:
        super().__init__((), media_type=media_type, headers=headers)
        self._file = file
        self._size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "HEAD":
                await Response(None, 200, dict(self.headers), self.media_type)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    async def stream_response(self, send: Send) -> None:
        """Send the file; the last bytes end the answer, since a client that has them all may hang up at once."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left, more = self._size, True
        while more:
            block = await asyncio.to_thread(self._file.read, min(BLOCK, left))
            left -= len(block)
            more = bool(block) and left > 0
            await send({"type": "http.response.body", "body": block, "more_body": more})
