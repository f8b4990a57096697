"""``POST /json``: TFaaS's row of keys and values, and events as records, columns or feature rows; the hot path."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.answers import Scored
from mlaas4hep.inference.protocol.values import check_finite
from mlaas4hep.inference.rest.openapi import TFAAS, operation, ref
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.server import Server
from mlaas4hep.web.bodies import Buffer, decode_json
from mlaas4hep.web.errors import error_reply
from mlaas4hep.web.replies import PendingReply, Reply
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call, Fast

__all__ = ["calls"]

NUMPY = orjson.OPT_SERIALIZE_NUMPY
MANY = ("events", "columns", "rows")
SHAPES = ("keys", "key", "values", "value", *MANY)


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls that predict from JSON."""
    handler = Fast(_PredictJson(resources.server).answer, resources.settings.limits.body)
    described = operation(
        TFAAS,
        "Score events",
        body={"oneOf": [ref("Row"), ref("Events"), ref("Columns"), ref("Rows")]},
        answer={"anyOf": [ref("Probabilities"), ref("Scores")]},
        errors="504",
        text="Keys and values of one event are answered with the list of its scores, everything else with an object.",
    )
    return [Call("POST", path, Right.PREDICT, handler, described) for path in ("/json", "/predict/json", "/predict")]


class _PredictJson:
    """Answers a body; a request costs it a few microseconds.

    The body is one of

    - ``{"keys": [...], "values": [...]}``: one event; the answer is the list of its scores. As in TFaaS's protobuf the
      lists may be called ``key`` and ``value``; without keys the values go by position, if the model is named;
    - ``{"events": [{branch: value, ...}, ...]}``, ``{"columns": {branch: [...], ...}}``: events of a bundle;
    - ``{"rows": [[...], ...]}``: feature rows by position;

    each with ``model`` (or ``name``) and ``version`` if not the default. All but the first are answered with
    ``{"scores": [[...], ...], "classes": [...], "model": ..., "version": ...}``, with no events as well.
    A score that is not a number is null; infinity, for which JSON has no form, is an error.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    def answer(self, _path: Mapping[str, str], _fields: Mapping[bytes, bytes], body: Buffer) -> PendingReply:
        """Return the reply to a body; see `Fast`."""
        try:
            answer = self._answer(decode_json(bytes(body)))
        except Exception as error:
            return error_reply(error)
        return Reply(answer) if isinstance(answer, bytes) else _later(answer)

    def _answer(self, data: dict[str, Any]) -> bytes | Awaitable[bytes]:
        model, version = _either(data, "model", "name"), data.get("version", "")
        if model is not None and type(model) is not str:
            raise BadRequestError("model must be a string")
        if type(version) is not str:
            version = _version(version)
        keys, values = _either(data, "keys", "key"), _either(data, "values", "value")
        if (keys is not None or values is not None) and data.keys().isdisjoint(MANY):
            if keys is None:
                return _row(self._by_position(model, values, version))
            if type(keys) is not list or type(values) is not list:
                raise BadRequestError("keys and values must be lists")
            scored = self._server.score_row_soon(model or None, keys, values, version)
            return encode_row(scored) if isinstance(scored, Scored) else _row(scored)
        return self._many(data, model or None, version)

    async def _many(self, data: dict[str, Any], model: str | None, version: str) -> bytes:
        return encode_scores(await self._scores(data, model, version))

    async def _scores(self, data: dict[str, Any], model: str | None, version: str) -> Scored:
        given = [name for name in SHAPES if name in data]
        if len(given) != 1:
            what = f"the body holds {' and '.join(given)}" if given else "the body holds no event"
            raise BadRequestError(what, hint="give keys and values, or one of events, columns, rows")
        content = data[given[0]]
        if given[0] == "events" and type(content) is not list:
            raise BadRequestError("events must be a list of objects")
        if given[0] == "columns" and (type(content) is not dict or not content):
            raise BadRequestError("columns must be an object of lists, at least one")
        if given[0] in ("events", "columns"):
            return await self._server.score_events(model, content, version)
        return await self._server.score_matrix(model, _matrix(content), version)

    async def _by_position(self, model: str | None, values: Any, version: str) -> Scored:
        if not model:
            raise BadRequestError("there are values without keys", hint="give the keys, or name the model")
        if type(values) is not list:
            raise BadRequestError("values must be a list")
        return await self._server.score_matrix(model, _matrix([values], "values"), version)


def encode_row(scored: Scored) -> bytes:
    """Return the scores of one event as JSON; raise BadRequestError if one is infinite."""
    return _finite(orjson.dumps(np.ascontiguousarray(scored.scores[0]), option=NUMPY), scored)


def encode_scores(scored: Scored) -> bytes:
    """Return the scores of several events as JSON; raise BadRequestError if one is infinite."""
    answer = {
        "scores": np.ascontiguousarray(scored.scores),
        "classes": scored.classes,
        "model": scored.model,
        "version": scored.version,
    }
    return _finite(orjson.dumps(answer, option=NUMPY), scored)


def _finite(text: bytes, scored: Scored) -> bytes:
    """Return the text; raise BadRequestError if a null in it stands for infinity."""
    if b"null" in text:
        check_finite("scores", scored.scores)
    return text


async def _row(scored: Awaitable[Scored]) -> bytes:
    return encode_row(await scored)


async def _later(answer: Awaitable[bytes]) -> Reply:
    try:
        return Reply(await answer)
    except Exception as error:
        return error_reply(error)


def _matrix(rows: Any, name: str = "rows") -> np.ndarray[Any, np.dtype[np.float32]]:
    if type(rows) is not list or (rows and type(rows[0]) is not list):
        raise BadRequestError(f"{name} must be a list of lists of numbers")
    if not rows:
        return np.empty((0, 0), dtype=np.float32)
    try:
        with np.errstate(over="ignore"):
            given = np.array(rows)
            if given.dtype.kind not in "biuf":
                given = _numbers(rows)
            matrix = given.astype(np.float32)
    except (ValueError, TypeError, OverflowError):
        raise BadRequestError(f"{name} must be lists of numbers, all of one length") from None
    if matrix.ndim != 2:
        raise BadRequestError(f"{name} must be lists of numbers, all of one length")
    if not np.array_equal(np.isfinite(given), np.isfinite(matrix)):
        raise BadRequestError(f"{name} hold a number that float32 cannot hold")
    return matrix


def _numbers(rows: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return rows with nulls, which become NaN, or whole numbers beyond 64 bits; raise TypeError for texts."""
    allowed = (float, int, bool, type(None))
    if any(type(row) is not list or any(type(value) not in allowed for value in row) for row in rows):
        raise TypeError
    return np.array(rows, dtype=np.float64)


def _either(data: Mapping[str, Any], name: str, other: str) -> Any:
    """Return the value of a key that has two names."""
    value, second = data.get(name), data.get(other)
    if value is not None and second is not None and value != second:
        raise BadRequestError(f"{name} and {other} are two names of one thing, and differ")
    return second if value is None else value


def _version(version: Any) -> str:
    if version is None:
        return ""
    if type(version) is int:
        return str(version)
    raise BadRequestError("version must be a string or a whole number")
