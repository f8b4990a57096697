"""Forms and files in the body of a request, written to disk as they arrive, within limits."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from mlaas4hep.atomic.files import remove
from mlaas4hep.atomic.owners import work_name
from mlaas4hep.errors.serving import BadRequestError, TooLargeError, UnsupportedMediaError
from mlaas4hep.web.bodies import read_body, read_parts

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["Form", "receive_file", "receive_form", "staging"]

MAX_PARTS = 1000
MAX_FIELD = 1 << 20
MAX_NAME = 200
UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")


@dataclass
class Form:
    """A form that was sent.

    Attributes:
        fields: texts by name; the last of several.
        files: where the files lie, by name of the field.
        names: what the client calls the files, by name of the field; plain names without folders.
    """

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, limit: int = MAX_FIELD) -> str | None:
        """Return a field's text, whether it was sent as a text or as a file; None if it is not there."""
        if name in self.fields:
            return self.fields[name]
        if name not in self.files:
            return None
        if self.files[name].stat().st_size > limit:
            raise TooLargeError(f"the part {name} is larger than {limit} bytes")
        try:
            return self.files[name].read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise BadRequestError(f"the part {name} is not text") from None


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Make a hidden folder in the repository; removed in the end, or at the next start if the process dies."""
    place = folder / work_name()
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        remove(place)


async def receive_file(request: Request, path: Path, limit: int, *, unpacked: bool = True) -> int:
    """Write a body to a file; return its size in bytes. Raises as `read_parts`."""
    size = 0
    with path.open("wb") as file:
        async for part in read_parts(request, limit, unpacked=unpacked):
            size += len(part)
            await asyncio.to_thread(file.write, part) if len(part) > 1 << 20 else file.write(part)
    return size


@asynccontextmanager
async def receive_form(request: Request, folder: Path, limit: int) -> AsyncIterator[Form]:
    """Receive a form, its files in a temporary folder inside `folder` that is removed in the end.

    A part, or the whole request, with ``Content-Encoding: base64`` has its files decoded (TFaaS; of a whole request
    only the part ``model``).

    Raises:
        BadRequestError: the form or its base64 is damaged.
        TooLargeError: the body is larger than `limit`, a text than 1 MiB, or there are more than 1000 parts.
        UnsupportedMediaError: it is not a form.
    """
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    if content_type == b"application/x-www-form-urlencoded":
        body = bytes(await read_body(request.scope, request.receive, MAX_FIELD))
        try:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_PARTS))
        except ValueError as error:
            raise BadRequestError(f"the form is damaged ({error})") from None
        yield Form(fields)
        return
    if content_type != b"multipart/form-data":
        raise UnsupportedMediaError("the body must be a form (multipart/form-data)")
    if not options.get(b"boundary"):
        raise BadRequestError("the form has no boundary")
    with staging(folder) as place:
        whole = request.headers.get("content-encoding", "").lower() == "base64"
        receiver = _Receiver(place, {"model"} if whole else set())
        try:
            parser = MultipartParser(options[b"boundary"], receiver.callbacks())
            async for part in read_parts(request, limit, unpacked=not whole):
                parser.write(part)
            parser.finalize()
        except FormParserError as error:
            raise BadRequestError(f"the form is damaged ({error})") from None
        finally:
            receiver.close()
        if not receiver.ended:
            raise BadRequestError("the form is truncated")
        yield receiver.form


class _Receiver:
    """Takes what the parser finds."""

    def __init__(self, folder: Path, encoded: set[str]) -> None:
        self.form = Form()
        self.ended = False
        self._folder = folder
        self._encoded = encoded
        self._parts = 0
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._file: IO[bytes] | None = None
        self._base64: _Base64 | None = None
        self._text = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooLargeError(f"the form has more than {MAX_PARTS} parts")
        self._headers.clear()
        self._text.clear()

    def _header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise BadRequestError("a part of the form has no name")
        self._name = name
        if b"filename" not in options:
            return
        if name in self.form.files:
            raise BadRequestError(f"the form holds the file {name} twice")
        given = options[b"filename"].decode("utf-8", "replace")
        plain = UNSAFE.sub("_", PurePosixPath(given.replace("\\", "/")).name)[-MAX_NAME:].lstrip(".") or "file"
        place = self._folder / str(self._parts)
        place.mkdir()
        path = place / plain
        self.form.files[name], self.form.names[name] = path, plain
        self._file = path.open("wb")
        encoding = self._headers.get(b"content-encoding", b"") + self._headers.get(b"content-transfer-encoding", b"")
        self._base64 = _Base64() if name in self._encoded or encoding.strip().lower() == b"base64" else None

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = data[start:end]
        if self._file is not None:
            self._file.write(self._base64.decode(part) if self._base64 else part)
            return
        if len(self._text) + len(part) > MAX_FIELD:
            raise TooLargeError(f"the field {self._name} is larger than {MAX_FIELD} bytes")
        self._text.extend(part)

    def _end(self) -> None:
        if self._file is not None:
            if self._base64:
                self._base64.finish()
            self._file.close()
            self._file = None
            return
        self.form.fields[self._name] = self._text.decode("utf-8", "replace")

    def _finish(self) -> None:
        self.ended = True


class _Base64:
    """Decodes a stream."""

    def __init__(self) -> None:
        self._rest = b""

    def decode(self, part: bytes) -> bytes:
        text = self._rest + part.translate(None, b" \t\r\n")
        whole = len(text) // 4 * 4
        self._rest = text[whole:]
        try:
            return base64.b64decode(text[:whole], validate=True)
        except binascii.Error as error:
            raise BadRequestError(f"the base64 of a file is damaged ({error})") from None

    def finish(self) -> None:
        if self._rest:
            raise BadRequestError("the base64 of a file is truncated")
