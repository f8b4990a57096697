"""The infer call of the Open Inference Protocol v2, as a bare ASGI application: the hot path of REST."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from mlaas4hep.inference.dataplane import DataPlane, Inferred
from mlaas4hep.inference.failures import BadRequestError
from mlaas4hep.inference.protocol.classification import classified
from mlaas4hep.inference.protocol.datatypes import Array
from mlaas4hep.inference.rest import v2_body, v2_json
from mlaas4hep.inference.rest.errors import send_failure
from mlaas4hep.inference.rest.v2_json import Request

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
        try:
            body, length, encoding = await self._infer(scope, receive)
        except ClientDisconnect:
            return
        except Exception as error:
            await send_failure(error, receive, send)
            return
        if length is None:
            await v2_body.respond(send, body, encoding=encoding)
        else:
            kind, headers = b"application/octet-stream", {_LENGTH: b"%d" % length}
            await v2_body.respond(send, body, content_type=kind, headers=headers, encoding=encoding)

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

    async def _infer(self, scope: Scope, receive: Receive) -> tuple[bytes, int | None, str | None]:
        """The answer, the length of its JSON part if tensors follow, and the encoding it may be sent in."""
        header: int | None = None
        announced = -1
        encoding = accepted = ""
        for name, value in scope["headers"]:
            if name == b"content-length":
                announced = int(value)
            elif name == b"content-encoding":
                encoding = value.decode("latin-1").strip().lower()
            elif name == b"accept-encoding":
                accepted = value.decode("latin-1")
            elif name == _LENGTH:
                header = _number(value)
        body = await v2_body.read(receive, self.limit, announced, None if encoding else header)
        if encoding:
            body = await v2_body.decompress(body, encoding, self.limit)
        path = scope["path_params"]
        model, version = path["model"], path.get("version", "")
        if header == 0:
            request = v2_json.read_raw(body, self.plane.info(model, version).inputs, model)
        else:
            request = v2_json.read(body, header)
        wanted = request.wanted
        names = None if wanted is None else [output.name for output in wanted]
        inferred = await self.plane.infer(model, request.inputs, names, version)
        outputs = self._outputs(request, inferred)
        content, length = v2_json.answer(inferred.model, inferred.version, request.id, outputs)
        return content, length, v2_body.accepted_encoding(accepted) if accepted else None

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


def _number(value: bytes) -> int:
    if not value.isdigit() or len(value) > _DIGITS:
        raise BadRequestError("inference-header-content-length must be a number of bytes")
    return int(value)
