"""The Open Inference Protocol v2 over REST, with Triton's extensions: thin routes over the data plane."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.protocol import responses
from mlaas4hep.inference.repository.triton_config import config_text
from mlaas4hep.inference.rest.openapi import JSON, TEXT, V2, operation, ref
from mlaas4hep.inference.rest.resources import Resources, named
from mlaas4hep.inference.rest.responses import json_response
from mlaas4hep.inference.server import Server
from mlaas4hep.web.bodies import read_json
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls"]


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls under ``/v2`` but for health and inference."""
    own = _Calls(resources.server)
    counts = ref("V2Statistics")
    index = operation(V2, "List all versions", body={JSON: ref("V2IndexRequest")}, answer=ref("V2Index"), optional=True)
    all_counts = operation(V2, "Show counts and times of all models", answer=counts)
    found = [
        Call("GET", "/v2", Right.READ, own.server, operation(V2, "Describe the server", answer=ref("V2Server"))),
        Call("GET", "/v2/models/stats", Right.READ, own.statistics, all_counts),
        Call("POST", "/v2/repository/index", Right.READ, own.index, index),
    ]
    for verb, handler in (("load", own.load), ("unload", own.unload)):
        described = operation(
            V2,
            f"{verb.capitalize()} a model",
            body={JSON: ref("V2Parameters")},
            answer=ref("Empty"),
            errors="409 422",
            optional=True,
        )
        found.append(Call("POST", f"/v2/repository/models/{{model}}/{verb}", Right.MANAGE, handler, described))
    config = operation(
        V2, "Show Triton's configuration of a model", answer={JSON: ref("V2Config"), **TEXT}, query="format"
    )
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        tensors = operation(V2, "Describe the tensors of a model", answer=ref("V2Metadata"))
        ready = operation(V2, "Show whether a model is ready", answer=ref("V2ModelReady"))
        found += [
            Call("GET", path, Right.READ, own.metadata, tensors),
            Call("GET", f"{path}/ready", Right.READ, own.model_ready, ready),
            Call("GET", f"{path}/config", Right.READ, own.config, config),
            Call(
                "GET",
                f"{path}/stats",
                Right.READ,
                own.statistics,
                operation(V2, "Show counts and times", answer=counts),
            ),
        ]
    return found


class _Calls:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def server(self, _request: Request) -> Response:
        return json_response(responses.server_metadata())

    async def model_ready(self, request: Request) -> Response:
        """Return 200 if the model is ready, 503 if not, 404 if there is none."""
        info = self._server.info(*named(request))
        ready = responses.is_ready(info)
        answer = {"name": info.name, "ready": ready}
        return json_response(answer if ready else {**answer, "error": info.reason or info.state}, 200 if ready else 503)

    async def metadata(self, request: Request) -> Response:
        model, version = named(request)
        return json_response(await responses.metadata(self._server, model, version))

    async def config(self, request: Request) -> Response:
        model, version = named(request)
        config = await responses.config(self._server, model, version)
        wanted = request.query_params.get("format", "json")
        if wanted == "pbtxt":
            return Response(config_text(config), media_type="text/plain")
        if wanted != "json":
            raise BadRequestError(f"there is no format {wanted!r}", where="format", hint="json or pbtxt")
        return json_response(config)

    async def statistics(self, request: Request) -> Response:
        model, version = named(request)
        return json_response({"model_stats": self._server.statistics(model or None, version)})

    async def index(self, request: Request) -> Response:
        ready = (await read_json(request)).get("ready", False)
        if not isinstance(ready, bool):
            raise BadRequestError("ready must be true or false", where="ready")
        return json_response(responses.index(self._server, ready=ready))

    async def load(self, request: Request) -> Response:
        model, version, others = await _managed(request)
        if others:
            raise BadRequestError(
                f"a load cannot change the model; unknown parameters {', '.join(sorted(others))}",
                hint="upload a new version",
            )
        await self._server.load(model, version)
        return json_response({})

    async def unload(self, request: Request) -> Response:
        model, version, others = await _managed(request)
        if others - {"unload_dependents"}:
            raise BadRequestError(f"unknown parameters {', '.join(sorted(others))}")
        await self._server.unload(model, version)
        return json_response({})


async def _managed(request: Request) -> tuple[str, str, set[str]]:
    """Return the model, the version, and the names of further parameters."""
    parameters = (await read_json(request)).get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadRequestError("the parameters must be an object", where="parameters")
    version = parameters.pop("version", "")
    if not isinstance(version, str | int):
        raise BadRequestError("the version must be a string", where="version")
    return request.path_params["model"], str(version), set(parameters)
