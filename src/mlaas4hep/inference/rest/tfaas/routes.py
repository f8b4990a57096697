"""The calls of TFaaS other than predictions: upload, delete, list, parameters, status."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.errors.serving import BadRequestError, ServingError
from mlaas4hep.inference.rest.metadata import params_json, version_json
from mlaas4hep.inference.rest.openapi import FORM, JSON, TAR, TFAAS, operation, ref
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.uploads import Form, receive_file, receive_form, staging
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.bodies import decode_json, read_json
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls", "json_response", "receive_model"]

SMALL = 1 << 20


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
    listed = operation(TFAAS, "Params of all models", answer={"type": "array", "items": ref("Params")})
    shown = operation(TFAAS, "Params of a model", answer=ref("Params"))
    chosen = operation(TFAAS, "Set the default model", body={JSON: default}, answer=ref("Params"))
    status = operation(TFAAS, "Memory, load, counters of this process", answer=ref("Status"))
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
    """Handlers of the calls."""

    def __init__(self, resources: Resources) -> None:
        self._server = resources.server
        self._settings = resources.settings
        self._state = resources.state

    async def upload(self, request: Request) -> Response:
        """A form (``name``, ``params``, ``model``, ``labels``), or the body itself is a tar or tar.gz."""
        return json_response(await receive_model(request, self._server, self._settings))

    async def delete(self, request: Request) -> Response:
        """Remove a model: the one in the path, or in the form's field ``model``."""
        name = request.path_params.get("model") or request.query_params.get("model")
        if not name and "content-type" not in request.headers:
            raise BadRequestError("name the model", hint="in the path, or in the form's field model")
        if not name:
            async with receive_form(request, self._settings.repository, SMALL) as form:
                name = form.text("model") or form.text("name")
        if not name:
            raise BadRequestError("the form has no field model")
        await self._server.delete(name)
        return json_response({"deleted": name})

    async def models(self, _: Request) -> Response:
        """The params of all models, each in its default version."""
        names = dict.fromkeys(info.name for info in self._server.models())
        found = []
        for name in names:
            try:
                found.append(params_json(self._server.info(name)))
            except ServingError:  # deleted a moment ago, or no version of it is the default
                continue
        return json_response(found)

    async def params(self, request: Request) -> Response:
        """The params of one model."""
        return json_response(params_json(self._server.info(request.path_params["model"])))

    async def set_params(self, request: Request) -> Response:
        """Set the model of requests that name none, from a params object with ``name`` (or else ``model``)."""
        data = await read_json(request, SMALL)
        name = data.get("name") or data.get("model")
        if not isinstance(name, str):
            raise BadRequestError("the body must hold the name of a model")
        await self._server.set_default(name)
        return json_response(params_json(self._server.info(name)))

    async def status(self, _: Request) -> Response:
        """Memory in bytes, load, CPU in percent, uptime in seconds, and counters of this process."""
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


async def receive_model(request: Request, server: Server, settings: Settings) -> dict[str, Any]:
    """Take a model from a form or a plain body to the repository; the version that came of it.

    Query: ``name``, ``version`` and ``filename`` for a plain body.
    """
    limit, query = settings.limits.upload, request.query_params
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with receive_form(request, settings.repository, limit) as form:
            name = form.text("name") or query.get("name")
            if set(form.files) == {"file"}:
                version = form.text("version") or query.get("version")
                info = await server.upload(form.files["file"], name=name, version=version)
            else:
                if "model" not in form.files:
                    raise BadRequestError("the form has no file called model")
                params = _params(form)
                name = name or _text(params.get("name"))
                if not name:
                    raise BadRequestError("the form has no name, and neither have its params")
                files = {role: path for role, path in form.files.items() if role in ("model", "labels")}
                info = await server.upload_parts(name, files, params)
        return version_json(info)
    with staging(settings.repository) as place:
        path = place / "body"
        if await receive_file(request, path, limit, unpacked=False) == 0:
            raise BadRequestError("the body is empty", hint="send a form, or a tar.gz of the model's folder")
        with path.open("rb") as file:
            start = file.read(264)
        named = path.rename(place / _file_name(start, query.get("filename")))
        info = await server.upload(named, name=query.get("name"), version=query.get("version"))
    return version_json(info)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON; what has no form in it becomes text."""
    body = orjson.dumps(content, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    return Response(body, status, headers, media_type="application/json")


def _params(form: Form) -> dict[str, Any]:
    text = form.text("params")
    if text is None or not text.strip():
        return {}
    try:
        return decode_json(text.encode())
    except BadRequestError as error:
        raise BadRequestError(str(error).replace("the body", "params")) from None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _file_name(start: bytes, given: str | None) -> str:
    """A name that tells what a plain body is: as the client says, else by its first bytes."""
    if given:
        plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in given.replace("\\", "/").split("/")[-1])[-200:]
        return plain.lstrip(".") or "model"
    if start[:2] == b"\x1f\x8b":
        return "model.tar.gz"
    if start[257:262] == b"ustar":
        return "model.tar"
    return "model.zip" if start[:4] == b"PK\x03\x04" else "model"
