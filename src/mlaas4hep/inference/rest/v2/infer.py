"""The infer call of the Open Inference Protocol v2: the hot path of REST."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.answers import Inferred
from mlaas4hep.inference.protocol.classification import classified
from mlaas4hep.inference.protocol.datatypes import Array
from mlaas4hep.inference.rest.openapi import BINARY, BYTES, JSON, V2, operation, ref
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.v2 import json as v2_json
from mlaas4hep.inference.rest.v2.json import Request
from mlaas4hep.inference.server import Server
from mlaas4hep.web.bodies import Buffer
from mlaas4hep.web.encodings import WORTH, packed
from mlaas4hep.web.errors import error_reply
from mlaas4hep.web.replies import PendingReply, Reply
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call, Fast

__all__ = ["calls"]

_LENGTH = b"inference-header-content-length"
_DIGITS = 18


def calls(resources: Resources) -> Sequence[Call]:
    """Return the infer calls, with and without a version."""
    handler = Fast(_Infer(resources.server).answer, resources.settings.limits.body, _header)
    described = operation(
        V2,
        "Run a model",
        body={JSON: ref("V2Request"), BYTES: BINARY},
        answer={JSON: ref("V2Answer"), BYTES: BINARY},
        errors="504",
        text="Binary tensors follow the JSON part, whose length is in Inference-Header-Content-Length.",
    )
    return [
        Call("POST", f"/v2/models/{{model}}{version}/infer", Right.PREDICT, handler, described)
        for version in ("", "/versions/{version}")
    ]


class _Infer:
    def __init__(self, server: Server) -> None:
        self.server = server

    def answer(self, path: Mapping[str, str], fields: Mapping[bytes, bytes], body: Buffer) -> PendingReply:
        """Return the reply to a body; see `Fast`."""
        model, version = path["model"], path.get("version", "")
        try:
            header = _header(fields)
            if header == 0:
                request = v2_json.read_raw(body, self.server.info(model, version).inputs, model)
            else:
                request = v2_json.read(body, header)
            wanted = request.wanted
            names = None if wanted is None else [output.name for output in wanted]
            inferred = self.server.infer_soon(model, request.inputs, names, version)
            if not isinstance(inferred, Inferred):
                return self._later(request, inferred, fields)
            reply = self._encoded(request, inferred)
            if b"accept-encoding" in fields and len(reply.body) >= WORTH:
                return packed(reply, fields[b"accept-encoding"])
        except Exception as error:
            return error_reply(error)
        return reply

    async def _later(self, request: Request, inferred: Awaitable[Inferred], fields: Mapping[bytes, bytes]) -> Reply:
        try:
            reply = self._encoded(request, await inferred)
            return await packed(reply, fields.get(b"accept-encoding", b""))
        except Exception as error:
            return error_reply(error)

    def _encoded(self, request: Request, inferred: Inferred) -> Reply:
        outputs = self._outputs(request, inferred)
        body, length = v2_json.answer(inferred.model, inferred.version, request.id, outputs)
        if length is None:
            return Reply(body)
        return Reply(body, 200, b"application/octet-stream", ((_LENGTH, b"%d" % length),))

    def _outputs(self, request: Request, inferred: Inferred) -> list[tuple[str, Array, bool]]:
        if request.wanted is None:
            return [(name, array, request.binary) for name, array in inferred.outputs.items()]
        outputs: list[tuple[str, Array, bool]] = []
        for wanted in request.wanted:
            array = inferred.outputs[wanted.name]
            if wanted.classification is not None:
                array = classified(self.server, inferred, wanted.name, wanted.classification)
            outputs.append((wanted.name, array, wanted.binary))
        return outputs


def _header(fields: Mapping[bytes, bytes]) -> int | None:
    """Return the bytes of JSON before binary tensors; None: all are."""
    value = fields.get(_LENGTH)
    if value is None:
        return None
    if not value.isdigit() or len(value) > _DIGITS:
        raise BadRequestError("inference-header-content-length must be a number of bytes")
    return int(value)
