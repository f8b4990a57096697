"""Triton's ``config.pbtxt``: as much of protobuf's text format as it takes, and names, types and shapes out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["TritonConfig", "parse_config"]

DTYPES: Final = {
    "TYPE_BOOL": "bool",
    "TYPE_UINT8": "uint8",
    "TYPE_UINT16": "uint16",
    "TYPE_UINT32": "uint32",
    "TYPE_UINT64": "uint64",
    "TYPE_INT8": "int8",
    "TYPE_INT16": "int16",
    "TYPE_INT32": "int32",
    "TYPE_INT64": "int64",
    "TYPE_FP16": "float16",
    "TYPE_FP32": "float32",
    "TYPE_FP64": "float64",
    "TYPE_STRING": "object",
}
TOKEN: Final = re.compile(
    r"""\s+|\#[^\n]*|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[-+.\w]+)|(?P<sign>[{}\[\]:,;<>])"""
)
DEPTH: Final = 16


@dataclass(frozen=True)
class TritonConfig:
    """What a configuration says. With `max_batch_size` above 0 all shapes carry a first axis of any size.

    `says_batch` is false where `max_batch_size` is not there, which Triton takes for 0.
    """

    name: str
    platform: str
    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    says_batch: bool = True


def parse_config(text: str) -> TritonConfig:
    """Read a configuration.

    Raises:
        ModelRefusedError: it cannot be understood.
    """
    fields = _Parser(text).message()
    try:
        batch = int(_last(fields, "max_batch_size", "0"))
        sides = [tuple(_spec(item, batch > 0) for item in fields.get(side, ())) for side in ("input", "output")]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        what = f"config.pbtxt: an input or output is not complete or not understood ({error})"
        raise ModelRefusedError(what) from error
    platform = str(_last(fields, "platform", "") or _last(fields, "backend", ""))
    says_batch = "max_batch_size" in fields
    return TritonConfig(str(_last(fields, "name", "")), platform, batch, sides[0], sides[1], says_batch)


def _spec(item: dict[str, list[Any]], batch: bool) -> TensorSpec:
    dims = tuple(int(size) for size in item.get("dims", ()))
    return TensorSpec(str(item["name"][-1]), DTYPES[str(item["data_type"][-1])], (-1, *dims) if batch else dims)


def _last(fields: dict[str, list[Any]], name: str, default: str) -> Any:
    return fields[name][-1] if fields.get(name) else default


class _Parser:
    """Fields of a message by name, each a list: words and strings as text, messages as dicts, lists flattened."""

    def __init__(self, text: str) -> None:
        self._tokens = list(self._split(text))
        self._at = 0

    def message(self, end: str = "", depth: int = 0) -> dict[str, list[Any]]:
        fields: dict[str, list[Any]] = {}
        while (token := self._next(end)) != end:
            if not re.fullmatch(r"\w+", token) or depth > DEPTH:
                raise self._error(token)
            values = fields.setdefault(token, [])
            if self._peek() == ":":
                self._next()
            values.extend(self._value(depth))
            while self._peek() in {",", ";"}:
                self._next()
        return fields

    def _value(self, depth: int) -> Iterator[Any]:
        token = self._next()
        if token in {"{", "<"}:
            yield self.message("}" if token == "{" else ">", depth + 1)
        elif token == "[":
            while self._peek() != "]":
                yield from self._value(depth + 1)
                if self._peek() == ",":
                    self._next()
            self._next()
        elif token[0] in "\"'":
            yield re.sub(r"\\(.)", r"\1", token[1:-1])
        elif token in {"}", ">", "]", ":", ",", ";"}:
            raise self._error(token)
        else:
            yield token

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self, end: str = "-") -> str:
        token = self._peek()
        if not token and end:
            raise self._error("its end")
        self._at += 1
        return token

    def _split(self, text: str) -> Iterator[str]:
        place = 0
        while place < len(text):
            match = TOKEN.match(text, place)
            if match is None:
                raise self._error(text[place : place + 10])
            place = match.end()
            if match.lastgroup:
                yield match.group()

    @staticmethod
    def _error(token: str) -> ModelRefusedError:
        return ModelRefusedError(f"config.pbtxt cannot be understood at {token!r}")
