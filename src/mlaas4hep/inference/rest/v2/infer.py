"""The infer call of the Open Inference Protocol v2, as a bare ASGI application: the hot path of REST."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.dataplane import DataPlane, Inferred
from mlaas4hep.inference.protocol.classification import classified
from mlaas4hep.inference.protocol.datatypes import Array
from mlaas4hep.inference.rest.v2 import json as v2_json
from mlaas4hep.inference.rest.v2.json import Request
from mlaas4hep.web.bodies import Buffer, read_body
from mlaas4hep.web.encodings import WORTH, packed
from mlaas4hep.web.errors import error_reply, send_failure
from mlaas4hep.web.replies import Reply, Soon, send_reply

__all__ = ["Infer"]

_LENGTH = b"inference-header-content-length"
_DIGITS = 18
_BEFORE = ["", "v2", "models"]


class Infer:
    """Answers ``POST /v2/models/{model}[/versions/{version}]/infer``.

    Args:
        plane: who runs the model.
        limit: bytes a body may have, also once unpacked.
    """

    def __init__(self, plane: DataPlane, limit: int) -> None:
        self.plane = plane
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, errors too."""
        fields = dict(scope["headers"])
        path = scope["path_params"]
        try:
            body = await read_body(scope, receive, self.limit, header=_header(fields))
        except ClientDisconnect:
            return
        except Exception as error:
            await send_failure(error, receive, send)
            return
        reply = self.reply(path["model"], path.get("version", ""), fields, body)
        await send_reply(reply if isinstance(reply, Reply) else await reply, send)

    def reply(self, model: str, version: str, fields: Mapping[bytes, bytes], body: Buffer) -> Soon:
        """The answer to a body; see `Answering`."""
        try:
            header = _header(fields)
            if header == 0:
                request = v2_json.read_raw(body, self.plane.info(model, version).inputs, model)
            else:
                request = v2_json.read(body, header)
            wanted = request.wanted
            names = None if wanted is None else [output.name for output in wanted]
            inferred = self.plane.infer_soon(model, request.inputs, names, version)
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

    @staticmethod
    def parameters(path: str) -> dict[str, str] | None:
        """Model and version of ``/v2/models/{model}[/versions/{version}]/infer``, None for another path.

        For applications that find this call without trying all routes; the result is the scope's ``path_params``.
        """
        parts = path.split("/")
        if parts[:3] != _BEFORE or parts[-1] != "infer":
            return None
        if len(parts) == 5:
            return {"model": parts[3]}
        if len(parts) == 7 and parts[4] == "versions":
            return {"model": parts[3], "version": parts[5]}
        return None

    def _outputs(self, request: Request, inferred: Inferred) -> list[tuple[str, Array, bool]]:
        if request.wanted is None:
            return [(name, array, request.binary) for name, array in inferred.outputs.items()]
        outputs: list[tuple[str, Array, bool]] = []
        for wanted in request.wanted:
            array = inferred.outputs[wanted.name]
            if wanted.classification is not None:
                array = classified(self.plane, inferred, wanted.name, wanted.classification)
            outputs.append((wanted.name, array, wanted.binary))
        return outputs


def _header(fields: Mapping[bytes, bytes]) -> int | None:
    """Bytes of JSON before binary tensors; None: all are."""
    value = fields.get(_LENGTH)
    if value is None:
        return None
    if not value.isdigit() or len(value) > _DIGITS:
        raise BadRequestError("inference-header-content-length must be a number of bytes")
    return int(value)
