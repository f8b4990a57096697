"""``/api/models``: everything about models that TFaaS has no call for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.errors.serving import BadRequestError, ModelNotFoundError
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.rest.metadata import metadata_json, version_json
from mlaas4hep.inference.rest.openapi import JSON, TAR, operation, ref
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.tfaas.routes import json_response, receive_model
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.bodies import read_body, read_json
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls"]

SMALL = 1 << 20
_TAG = "Models"


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls below ``/api/models``."""
    own = _Models(resources.server, resources.settings)
    top, one = "/api/models", "/api/models/{model}"
    label, version, info = f"{one}/labels/{{label}}", f"{one}/versions/{{version}}", ref("Version")
    added = operation(
        _TAG, "Add a model", body=TAR, answer=info, errors="409 422", query="name version filename", status="201"
    )
    changed = operation(_TAG, "Change settings", body={JSON: ref("Settings")}, answer=ref("Settings"), errors="409")
    pointed = operation(_TAG, "Point a label to a version", body={JSON: ref("Label")}, answer=info, errors="409")
    unlabelled = operation(_TAG, "Remove a label", errors="409", status="204")
    found = [
        Call("GET", top, Right.READ, own.index, operation(_TAG, "All models", answer=ref("Models"))),
        Call("POST", top, Right.MANAGE, own.upload, added, body="disk"),
        Call("GET", one, Right.READ, own.show, operation(_TAG, "All versions of a model", answer=ref("Model"))),
        Call("PATCH", one, Right.MANAGE, own.configure, changed),
        Call("PUT", label, Right.MANAGE, own.label, pointed),
        Call("DELETE", label, Right.MANAGE, own.unlabel, unlabelled),
        Call("GET", version, Right.READ, own.version, operation(_TAG, "One version", answer=info)),
    ]
    for path, what in ((one, "a model"), (version, "a version")):
        removed = operation(_TAG, f"Remove {what}", errors="409", status="204")
        described = operation(_TAG, f"How to ask {what}", answer=ref("Metadata"))
        loaded = operation(_TAG, f"Load {what}", answer=info, errors="409 413 422")
        unloaded = operation(_TAG, f"Unload {what}", errors="409", status="204")
        found += [
            Call("DELETE", path, Right.MANAGE, own.delete, removed),
            Call("GET", f"{path}/metadata", Right.READ, own.metadata, described),
            Call("POST", f"{path}/load", Right.MANAGE, own.load, loaded),
            Call("POST", f"{path}/unload", Right.MANAGE, own.unload, unloaded),
        ]
    return found


class _Models:
    """Handlers of the calls."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._settings = settings

    async def index(self, _: Request) -> Response:
        """All models with their versions."""
        models: dict[str, list[dict[str, Any]]] = {}
        for info in self._server.models():
            models.setdefault(info.name, []).append(version_json(info))
        return json_response({"models": [{"name": name, "versions": found} for name, found in models.items()]})

    async def show(self, request: Request) -> Response:
        """One model: all its versions, and which of them is the default."""
        name = request.path_params["model"]
        found = self._versions(name)
        default = self._server.info(name)
        return json_response(
            {"name": name, "default": default.version, "versions": [version_json(info) for info in found]}
        )

    async def version(self, request: Request) -> Response:
        """One version, in short."""
        return json_response(version_json(self._server.info(*_named(request))))

    async def metadata(self, request: Request) -> Response:
        """One version: branches and their kinds, tensors, an example, where it comes from."""
        return json_response(metadata_json(self._server.info(*_named(request))))

    async def upload(self, request: Request) -> Response:
        """Add a version; bodies as for ``POST /upload``."""
        made = await receive_model(request, self._server, self._settings)
        place = f"{self._settings.base_path}/api/models/{quote(made['model'])}/versions/{made['version']}"
        return json_response(made, 201, {"location": place})

    async def delete(self, request: Request) -> Response:
        """Remove a model or one version of it."""
        await self._server.delete(*_named(request))
        return Response(status_code=204)

    async def load(self, request: Request) -> Response:
        """Bring a version into memory. A body says nothing."""
        await read_body(request.scope, request.receive, SMALL)
        return json_response(version_json(await self._server.load(*_named(request))))

    async def unload(self, request: Request) -> Response:
        """Take a version out of memory. A body says nothing."""
        await read_body(request.scope, request.receive, SMALL)
        await self._server.unload(*_named(request))
        return Response(status_code=204)

    async def label(self, request: Request) -> Response:
        """Point a label to ``{"version": ...}``."""
        data = await read_json(request, SMALL)
        version = data.get("version")
        if type(version) is int:
            version = str(version)
        if not isinstance(version, str) or not version:
            raise BadRequestError("the body must hold the version of the label")
        name, label = request.path_params["model"], request.path_params["label"]
        return json_response(version_json(await self._server.label(name, label, version)))

    async def unlabel(self, request: Request) -> Response:
        """Remove a label."""
        await self._server.label(request.path_params["model"], request.path_params["label"], None)
        return Response(status_code=204)

    async def configure(self, request: Request) -> Response:
        """Change ``batching`` or ``canary``; the settings that hold afterwards."""
        data = await read_json(request, SMALL)
        if not data:
            raise BadRequestError("the body holds no setting", hint="batching, canary")
        return json_response(await self._server.configure(request.path_params["model"], data))

    def _versions(self, name: str) -> list[ModelInfo]:
        found = [info for info in self._server.models() if info.name == name]
        if not found:
            raise ModelNotFoundError(f"there is no model {name[:128]!a}")
        return found


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["model"], request.path_params.get("version", "")
