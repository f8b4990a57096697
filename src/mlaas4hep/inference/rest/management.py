"""``/api/models``: versions, labels, settings, loading and unloading of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.errors.serving import BadRequestError, ModelNotFoundError
from mlaas4hep.inference.rest.metadata import metadata_json, version_json
from mlaas4hep.inference.rest.openapi import JSON, TAR, operation, ref
from mlaas4hep.inference.rest.resources import Resources, named
from mlaas4hep.inference.rest.responses import json_response
from mlaas4hep.inference.rest.uploads import receive_model
from mlaas4hep.web.bodies import SMALL_BODY, read_body, read_json
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls"]

TAG = "Models"


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls below ``/api/models``."""
    own = _Models(resources)
    top, one = "/api/models", "/api/models/{model}"
    label, version, info = f"{one}/labels/{{label}}", f"{one}/versions/{{version}}", ref("Version")
    added = operation(
        TAG, "Add a model", body=TAR, answer=info, errors="409 422", query="name version filename", status="201"
    )
    changed = operation(
        TAG, "Change the settings of a model", body={JSON: ref("Settings")}, answer=ref("Settings"), errors="409"
    )
    pointed = operation(TAG, "Point a label to a version", body={JSON: ref("Label")}, answer=info, errors="409")
    unlabelled = operation(TAG, "Remove a label", errors="409", status="204")
    found = [
        Call("GET", top, Right.READ, own.index, operation(TAG, "List all models", answer=ref("Models"))),
        Call("POST", top, Right.MANAGE, own.upload, added, body="disk"),
        Call("GET", one, Right.READ, own.show, operation(TAG, "List the versions of a model", answer=ref("Model"))),
        Call("PATCH", one, Right.MANAGE, own.configure, changed),
        Call("PUT", label, Right.MANAGE, own.label, pointed),
        Call("DELETE", label, Right.MANAGE, own.unlabel, unlabelled),
        Call("GET", version, Right.READ, own.version, operation(TAG, "Show a version", answer=info)),
    ]
    for path, what in ((one, "a model"), (version, "a version")):
        removed = operation(TAG, f"Remove {what}", errors="409", status="204")
        described = operation(TAG, f"Describe {what} for requests", answer=ref("Metadata"))
        loaded = operation(TAG, f"Load {what}", answer=info, errors="409 413 422")
        unloaded = operation(TAG, f"Unload {what}", errors="409", status="204")
        found += [
            Call("DELETE", path, Right.MANAGE, own.delete, removed),
            Call("GET", f"{path}/metadata", Right.READ, own.metadata, described),
            Call("POST", f"{path}/load", Right.MANAGE, own.load, loaded),
            Call("POST", f"{path}/unload", Right.MANAGE, own.unload, unloaded),
        ]
    return found


class _Models:
    def __init__(self, resources: Resources) -> None:
        self._server = resources.server
        self._settings = resources.settings

    async def index(self, _: Request) -> Response:
        models: dict[str, list[dict[str, Any]]] = {}
        for info in self._server.models():
            models.setdefault(info.name, []).append(version_json(info))
        return json_response({"models": [{"name": name, "versions": found} for name, found in models.items()]})

    async def show(self, request: Request) -> Response:
        name, _ = named(request)
        found = [version_json(info) for info in self._server.models() if info.name == name]
        if not found:
            raise ModelNotFoundError(f"there is no model {name[:128]!a}")
        return json_response({"name": name, "default": self._server.info(name).version, "versions": found})

    async def version(self, request: Request) -> Response:
        return json_response(version_json(self._server.info(*named(request))))

    async def metadata(self, request: Request) -> Response:
        return json_response(metadata_json(self._server.info(*named(request))))

    async def upload(self, request: Request) -> Response:
        made = await receive_model(request, self._server, self._settings)
        place = f"{self._settings.base_path}/api/models/{quote(made['model'])}/versions/{made['version']}"
        return json_response(made, 201, {"location": place})

    async def delete(self, request: Request) -> Response:
        await self._server.delete(*named(request))
        return Response(status_code=204)

    async def load(self, request: Request) -> Response:
        await read_body(request.scope, request.receive, SMALL_BODY)
        return json_response(version_json(await self._server.load(*named(request))))

    async def unload(self, request: Request) -> Response:
        await read_body(request.scope, request.receive, SMALL_BODY)
        await self._server.unload(*named(request))
        return Response(status_code=204)

    async def label(self, request: Request) -> Response:
        data = await read_json(request)
        version = data.get("version")
        if type(version) is int:
            version = str(version)
        if not isinstance(version, str) or not version:
            raise BadRequestError("the body must hold the version of the label")
        name, label = request.path_params["model"], request.path_params["label"]
        return json_response(version_json(await self._server.label(name, label, version)))

    async def unlabel(self, request: Request) -> Response:
        await self._server.label(request.path_params["model"], request.path_params["label"], None)
        return Response(status_code=204)

    async def configure(self, request: Request) -> Response:
        data = await read_json(request)
        if not data:
            raise BadRequestError("the body holds no setting", hint="batching, canary")
        return json_response(await self._server.configure(request.path_params["model"], data))
