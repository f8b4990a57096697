"""``POST /proto``: TFaaS's protobuf, one row or a frame of rows."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.errors.serving import BadRequestError, TooLargeError
from mlaas4hep.inference.answers import Scored
from mlaas4hep.inference.rest.openapi import BINARY, BYTES, TFAAS, operation
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.tfaas.messages import DataFrame, Predictions, Row
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Limits
from mlaas4hep.web.bodies import read_body
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls", "combine", "decode_rows"]

ENTRY = re.compile(r"(.+)\[(\d{1,9})\]")
AT_ONCE = 64
PROTOBUF = "application/x-protobuf"


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls that predict from protobuf."""
    handler = _PredictProto(resources.server, resources.settings.limits)
    described = operation(
        TFAAS,
        "Score events, as protobuf",
        body={PROTOBUF: BINARY, BYTES: BINARY},
        answer={PROTOBUF: BINARY},
        errors="504",
        text="A tfaaspb.Row or tfaaspb.DataFrame; entries of jagged branches are Jet_pt[0], Jet_pt[1], ...",
        query="version",
    )
    return [Call("POST", path, Right.PREDICT, handler, described) for path in ("/proto", "/predict/proto")]


class _PredictProto:
    """Answers a ``tfaaspb.Row`` or ``tfaaspb.DataFrame`` with ``tfaaspb.Predictions``."""

    def __init__(self, server: Server, limits: Limits) -> None:
        self._server = server
        self._limits = limits

    async def __call__(self, request: Request) -> Response:
        """Return the scores of all rows, one after the other, each with its class name if known; of no rows, none."""
        rows = decode_rows(bytes(await read_body(request.scope, request.receive, self._limits.body)))
        if len(rows) > self._limits.rows:
            raise TooLargeError(f"{len(rows)} rows are more than the {self._limits.rows} allowed")
        version = request.query_params.get("version", "")
        answer = Predictions()
        for start in range(0, len(rows), AT_ONCE):
            for scored in await asyncio.gather(*(self._score(row, version) for row in rows[start : start + AT_ONCE])):
                _append(answer, scored)
        return Response(answer.SerializeToString(), media_type=PROTOBUF)

    async def _score(self, row: Any, version: str) -> Scored:
        keys, values = list(row.key), list(row.value)
        if not keys and row.model:
            return await self._server.score_matrix(row.model, np.array([values], dtype=np.float32), version)
        if len(keys) != len(values):
            raise BadRequestError(f"{len(keys)} keys and {len(values)} values are given")
        model = row.model or None
        if any(key.endswith("]") for key in keys):
            info = self._server.info(row.model, version)
            if any(set(keys) == set(spec.columns) for spec in info.inputs):
                return await self._server.score_row(model, keys, values, version)
            branches = info.branches
            keys, values = combine(keys, values, {name for name, kind in (branches or {}).items() if kind == "jagged"})
        return await self._server.score_row(model, keys, values, version)


def decode_rows(body: bytes) -> list[Any]:
    """Return the rows of a message.

    On the wire a Row and a DataFrame differ in one thing: only a Row has values. Nothing at all is a DataFrame without
    rows.

    Raises:
        BadRequestError: it is neither.
    """
    if not body:
        return []
    row = _parsed(Row, body)
    if row is not None and (row.value or row.model):
        return [row]
    frame = _parsed(DataFrame, body)
    if frame is not None and any(entry.value or entry.model for entry in frame.row):
        return list(frame.row)
    raise BadRequestError("the body is neither a tfaaspb.Row nor a tfaaspb.DataFrame with values")


def combine(keys: list[str], values: list[float], jagged: set[str]) -> tuple[list[str], list[Any]]:
    """Put the entries of jagged branches, ``Jet_pt[0]``, ``Jet_pt[1]``, ..., together to lists.

    NaN at the end of a list is padding and left out, so that an empty list is ``Jet_pt[0] = NaN``.

    Args:
        keys: in any order.
        values: one for each key.
        jagged: names of the jagged branches; entries of anything else stay as they are.

    Returns:
        Keys and values, the lists after all others.

    Raises:
        BadRequestError: an entry is missing or given twice.
    """
    plain_keys: list[str] = []
    plain_values: list[Any] = []
    entries: dict[str, dict[int, float]] = {}
    for key, value in zip(keys, values, strict=True):
        match = ENTRY.fullmatch(key)
        if match is None or match[1] not in jagged:
            plain_keys.append(key)
            plain_values.append(value)
            continue
        found = entries.setdefault(match[1], {})
        if int(match[2]) in found:
            raise BadRequestError(f"the key {key} is given twice")
        found[int(match[2])] = value
    for name, found in entries.items():
        missing = next((i for i in range(len(found)) if i not in found), None)
        if missing is not None:
            raise BadRequestError(f"the key {name}[{missing}] is missing")
        numbers = [found[i] for i in range(len(found))]
        while numbers and math.isnan(numbers[-1]):
            numbers.pop()
        plain_keys.append(name)
        plain_values.append(numbers)
    return plain_keys, plain_values


def _parsed(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        return None


def _append(answer: Any, scored: Scored) -> None:
    for row in scored.scores:
        named = scored.classes if len(scored.classes) == len(row) else [""] * len(row)
        for name, score in zip(named, row.tolist(), strict=True):
            answer.prediction.add(label=name, probability=score)
