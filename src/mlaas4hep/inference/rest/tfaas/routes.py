"""Calls of TFaaS other than predictions: upload, delete, list, parameters, status."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.errors.serving import BadRequestError, ServingError
from mlaas4hep.inference.rest.forms import receive_form
from mlaas4hep.inference.rest.metadata import params_json
from mlaas4hep.inference.rest.openapi import FORM, JSON, TAR, TFAAS, operation, ref
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.responses import json_response
from mlaas4hep.inference.rest.uploads import receive_model
from mlaas4hep.web.bodies import SMALL_BODY, read_json
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls"]


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls of TFaaS other than predictions and downloads."""
    own = _TFaaS(resources)
    default = ref("DefaultModel")
    form = {"application/x-www-form-urlencoded": default, FORM: default}
    added = operation(
        TFAAS, "Add a model", body=TAR, answer=ref("Version"), errors="409 422", query="name version filename"
    )
    removed = operation(
        TFAAS, "Remove a model", body=form, answer=ref("Deleted"), errors="409", query="model", optional=True
    )
    named = operation(TFAAS, "Remove a model", answer=ref("Deleted"), errors="409")
    listed = operation(TFAAS, "List the params of all models", answer={"type": "array", "items": ref("Params")})
    shown = operation(TFAAS, "Show the params of a model", answer=ref("Params"))
    chosen = operation(TFAAS, "Set the default model", body={JSON: default}, answer=ref("Params"))
    status = operation(TFAAS, "Show memory, load and counters of the process", answer=ref("Status"))
    return [
        Call("POST", "/upload", Right.MANAGE, own.upload, added, body="disk"),
        Call("DELETE", "/delete", Right.MANAGE, own.delete, removed),
        Call("DELETE", "/delete/{model}", Right.MANAGE, own.delete, named),
        Call("GET", "/models", Right.READ, own.models, listed),
        Call("GET", "/params/{model}", Right.READ, own.params, shown),
        Call("POST", "/params", Right.MANAGE, own.set_params, chosen),
        Call("GET", "/status", Right.READ, own.status, status),
    ]


class _TFaaS:
    def __init__(self, resources: Resources) -> None:
        self._server = resources.server
        self._settings = resources.settings
        self._state = resources.state

    async def upload(self, request: Request) -> Response:
        return json_response(await receive_model(request, self._server, self._settings))

    async def delete(self, request: Request) -> Response:
        name = request.path_params.get("model") or request.query_params.get("model")
        if not name and "content-type" not in request.headers:
            raise BadRequestError("name the model", hint="in the path, or in the form's field model")
        if not name:
            async with receive_form(request, self._settings.repository, SMALL_BODY) as form:
                name = form.text("model") or form.text("name")
        if not name:
            raise BadRequestError("the form has no field model")
        await self._server.delete(name)
        return json_response({"deleted": name})

    async def models(self, _: Request) -> Response:
        names = dict.fromkeys(info.name for info in self._server.models())
        found = []
        for name in names:
            try:
                found.append(params_json(self._server.info(name)))
            except ServingError:  # deleted a moment ago, or no version of it is the default
                continue
        return json_response(found)

    async def params(self, request: Request) -> Response:
        return json_response(params_json(self._server.info(request.path_params["model"])))

    async def set_params(self, request: Request) -> Response:
        data = await read_json(request)
        name = data.get("name") or data.get("model")
        if not isinstance(name, str):
            raise BadRequestError("the body must hold the name of a model")
        await self._server.set_default(name)
        return json_response(params_json(self._server.info(name)))

    async def status(self, _: Request) -> Response:
        import psutil

        requests = self._state.metrics.by_method()
        process = psutil.Process()
        memory = psutil.virtual_memory()
        states: dict[str, int] = {}
        for info in self._server.models():
            states[info.state] = states.get(info.state, 0) + 1
        return json_response(
            {
                "pid": os.getpid(),
                "uptime": time.time() - self._state.started,
                "memory": {
                    "total": memory.total,
                    "available": memory.available,
                    "percent": memory.percent,
                    "process": process.memory_info().rss,
                },
                "load": list(psutil.getloadavg()),
                "cpu": {
                    "count": psutil.cpu_count(),
                    "percent": psutil.cpu_percent(),
                    "process": sum(process.cpu_times()[:2]),
                },
                "threads": process.num_threads(),
                "connections": len(process.net_connections()),
                "requests": requests,
                "getRequests": requests.get("GET", 0),
                "postRequests": requests.get("POST", 0),
                "models": states,
            }
        )
