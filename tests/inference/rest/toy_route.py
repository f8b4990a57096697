"""One more call: how many bytes a request had, with the name in its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from mlaas4hep.inference.rest.openapi import BINARY, BYTES, operation
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.web.bodies import Buffer
from mlaas4hep.web.replies import Reply
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call, Fast


def calls(resources: Resources) -> Sequence[Call]:
    """Return the call."""
    described = operation("Toys", "Weigh a body", body={BYTES: BINARY}, answer={"type": "object"})
    handler = Fast(_answer, resources.settings.limits.body)
    return [Call("POST", "/toys/{toy}/weight", Right.MANAGE, handler, described)]


def _answer(path: Mapping[str, str], _fields: Mapping[bytes, bytes], body: Buffer) -> Reply:
    return Reply(orjson.dumps({"toy": path["toy"], "bytes": len(body)}))
