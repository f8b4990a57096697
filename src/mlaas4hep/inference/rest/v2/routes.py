"""The Open Inference Protocol v2 over REST, with Triton's extensions: thin routes over the data plane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.dataplane import DataPlane
from mlaas4hep.inference.protocol import description
from mlaas4hep.inference.protocol.checksums import checksums
from mlaas4hep.inference.protocol.config_text import config_text
from mlaas4hep.inference.repository.base import Management
from mlaas4hep.inference.rest.v2.infer import Infer
from mlaas4hep.inference.settings import Limits
from mlaas4hep.web.bodies import read_json
from mlaas4hep.web.errors import error_response

__all__ = ["routes"]

_Call: TypeAlias = Callable[[Request], Awaitable[Response]]
_UNREADY = 503
_SMALL_BODY = 2**20


def routes(plane: DataPlane, management: Management, limits: Limits | None = None) -> list[Route]:
    """All routes under ``/v2``. Errors become ``{"error": "..."}`` with the status of the `ServingError`.

    Args:
        plane: runs and describes models.
        management: loads and unloads them.
        limits: of bodies; default: those of `Limits`.
    """
    calls = _Calls(plane, management)
    infer = Infer(plane, (limits or Limits()).body)
    table: list[tuple[str, str, Any]] = [
        ("POST", "/v2/models/{model}/infer", infer),
        ("POST", "/v2/models/{model}/versions/{version}/infer", infer),
        ("GET", "/v2", calls.server),
        ("GET", "/v2/health/live", calls.live),
        ("GET", "/v2/health/ready", calls.ready),
        ("GET", "/v2/models/stats", calls.statistics),
        ("GET", "/v2/models/{model}", calls.metadata),
        ("GET", "/v2/models/{model}/ready", calls.model_ready),
        ("GET", "/v2/models/{model}/config", calls.config),
        ("GET", "/v2/models/{model}/stats", calls.statistics),
        ("GET", "/v2/models/{model}/versions/{version}", calls.metadata),
        ("GET", "/v2/models/{model}/versions/{version}/ready", calls.model_ready),
        ("GET", "/v2/models/{model}/versions/{version}/config", calls.config),
        ("GET", "/v2/models/{model}/versions/{version}/stats", calls.statistics),
        ("POST", "/v2/repository/index", calls.index),
        ("POST", "/v2/repository/models/{model}/load", calls.load),
        ("POST", "/v2/repository/models/{model}/unload", calls.unload),
    ]
    return [
        Route(path, call if isinstance(call, Infer) else _guarded(call), methods=[method])
        for method, path, call in table
    ]


class _Calls:
    """Everything but inference."""

    def __init__(self, plane: DataPlane, management: Management) -> None:
        self.plane = plane
        self.management = management

    async def server(self, _request: Request) -> Response:
        """Name, version and extensions."""
        return _json(description.server_metadata())

    async def live(self, _request: Request) -> Response:
        """The process answers."""
        return _json({"live": True})

    async def ready(self, _request: Request) -> Response:
        """The server takes requests; a model that still loads does not make it unready."""
        return _json({"ready": True})

    async def model_ready(self, request: Request) -> Response:
        """200 if the model is ready, 503 if not, 404 if there is none."""
        info = self.plane.info(*_named(request))
        ready = description.is_ready(info)
        answer = {"name": info.name, "ready": ready}
        return _json(answer if ready else {**answer, "error": info.reason or info.state}, 200 if ready else _UNREADY)

    async def metadata(self, request: Request) -> Response:
        """Tensors of a model."""
        model, version = _named(request)
        await description.make_known(self.plane, self.management, model, version)
        return _json(description.metadata(self.plane, model, version))

    async def config(self, request: Request) -> Response:
        """Triton's configuration of a model; with ``?format=pbtxt`` as the text that its clients keep."""
        model, version = _named(request)
        await description.make_known(self.plane, self.management, model, version)
        sums = await checksums(self.plane, self.management, model, version)
        config = description.config(self.plane, model, version, sums)
        wanted = request.query_params.get("format", "json")
        if wanted == "pbtxt":
            return Response(config_text(config), media_type="text/plain")
        if wanted != "json":
            raise BadRequestError(f"there is no format {wanted!r}", where="format", hint="json or pbtxt")
        return _json(config)

    async def statistics(self, request: Request) -> Response:
        """Counts and times of one version, one model, or all."""
        model, version = _named(request)
        return _json({"model_stats": self.plane.statistics(model or None, version)})

    async def index(self, request: Request) -> Response:
        """All versions of all models, or with ``{"ready": true}`` those that are ready."""
        ready = (await read_json(request, _SMALL_BODY)).get("ready", False)
        if not isinstance(ready, bool):
            raise BadRequestError("ready must be true or false", where="ready")
        return _json(description.index(self.plane, ready=ready))

    async def load(self, request: Request) -> Response:
        """Load a model, or the version named in the parameters."""
        model, version, others = await _managed(request)
        if others:
            raise BadRequestError(
                f"a load cannot change the model; unknown parameters {', '.join(sorted(others))}",
                hint="upload a new version",
            )
        await self.management.load(model, version)
        return _json({})

    async def unload(self, request: Request) -> Response:
        """Unload a model, or the version named in the parameters."""
        model, version, others = await _managed(request)
        if others - {"unload_dependents"}:
            raise BadRequestError(f"unknown parameters {', '.join(sorted(others))}")
        await self.management.unload(model, version)
        return _json({})


def _guarded(call: _Call) -> _Call:
    async def guarded(request: Request) -> Response:
        try:
            return await call(request)
        except MLaaS4HEPError as error:
            return error_response(error)

    return guarded


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json")


def _named(request: Request) -> tuple[str, str]:
    return request.path_params.get("model", ""), request.path_params.get("version", "")


async def _managed(request: Request) -> tuple[str, str, set[str]]:
    """Model, version, and names of further parameters."""
    parameters = (await read_json(request, _SMALL_BODY)).get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadRequestError("the parameters must be an object", where="parameters")
    version = parameters.pop("version", "")
    if not isinstance(version, str | int):
        raise BadRequestError("the version must be a string", where="version")
    return request.path_params["model"], str(version), set(parameters)
