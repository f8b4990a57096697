"""All HTTP routes in one application."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mlaas4hep.inference.dataplane import DataPlane
from mlaas4hep.inference.repository.base import Management
from mlaas4hep.inference.rest.downloads import Downloads
from mlaas4hep.inference.rest.management import Models
from mlaas4hep.inference.rest.pages.html import docs_page, home_page
from mlaas4hep.inference.rest.pages.netron import Netron
from mlaas4hep.inference.rest.pages.openapi import document
from mlaas4hep.inference.rest.predict.images import PredictImage
from mlaas4hep.inference.rest.predict.json import PredictJson
from mlaas4hep.inference.rest.predict.proto import PredictProto
from mlaas4hep.inference.rest.predict.root_files import PredictRoot
from mlaas4hep.inference.rest.tfaas.routes import TFaaS, json_response
from mlaas4hep.inference.rest.v2 import routes as v2
from mlaas4hep.inference.rest.v2.infer import Infer
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.errors import Failures, pass_on
from mlaas4hep.web.replies import Answering, Soon

__all__ = ["Application", "create_app"]

Handler = Callable[[Request], Awaitable[Response]]
JSON_PATHS = ("/json", "/predict/json", "/predict")


class Application(Starlette):
    """Starlette, with a short way for the paths in `fast` and the infer call, found without trying all routes.

    Attributes:
        fast: answers POST requests, by whole path.
        infer: answers the infer call.
        base: prefix of all paths.
        requests: number of requests by method.
    """

    def __init__(
        self, routes: list[BaseRoute], fast: dict[str, PredictJson], infer: Infer, base: str, requests: dict[str, int]
    ) -> None:
        super().__init__(
            routes=routes,
            middleware=[Middleware(Failures)],
            exception_handlers={HTTPException: pass_on},
        )
        self.router.redirect_slashes = False
        self.fast = fast
        self.infer = infer
        self.base = base
        self.requests = requests

    def answering(self, path: str) -> Answering | None:
        """What answers POST requests of a path without ASGI; None: nothing does."""
        fast = self.fast.get(path)
        found = Infer.parameters(path[len(self.base) :]) if path.startswith(self.base) else None
        if fast is not None:
            answer: Answering = fast.reply
        elif found is not None:
            answer = functools.partial(self.infer.reply, found["model"], found.get("version", ""))
        else:
            return None

        def counted(fields: Mapping[bytes, bytes], body: bytes) -> Soon:
            self.requests["POST"] += 1
            return answer(fields, body)

        return counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            method = scope["method"]
            if method in self.requests:
                self.requests[method] += 1
            if method == "POST":
                path = scope["path"]
                fast = self.fast.get(path)
                if fast is not None:
                    await fast(scope, receive, send)
                    return
                if path.endswith("/infer") and path.startswith(self.base):
                    parameters = Infer.parameters(path[len(self.base) :])
                    if parameters is not None:
                        scope["path_params"] = parameters
                        await self.infer(scope, receive, send)
                        return
        await super().__call__(scope, receive, send)


def create_app(plane: DataPlane, management: Management, settings: Settings) -> Application:
    """The HTTP side of the server.

    Args:
        plane: runs and describes models.
        management: changes the repository.
        settings: limits, base path, repository.
    """
    base = settings.base_path.strip("/")
    base = f"/{base}" if base else ""
    tfaas = TFaaS(plane, management, settings)
    tfaas.requests.update(dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"), 0))
    predict_json = PredictJson(plane, settings.limits)
    fast = {f"{base}{path}": predict_json for path in JSON_PATHS}
    table: list[BaseRoute] = [Route(path, _Raw(predict_json), methods=["POST"]) for path in JSON_PATHS]
    table += _table(plane, management, settings, tfaas)
    table += v2.routes(plane, management, settings.limits)
    spec = document(base)
    described = json_response(spec)

    async def openapi(_: Request) -> Response:
        """The OpenAPI document."""
        return Response(described.body, media_type="application/json")

    async def docs(_: Request) -> Response:
        """The OpenAPI document for people."""
        return docs_page(spec)

    async def home(_: Request) -> Response:
        """The models."""
        return home_page(plane.models())

    async def enter(_: Request) -> Response:
        """To the models, whatever the header Host says."""
        return Response(status_code=307, headers={"location": f"{base}/"})

    table += [Route("/openapi.json", openapi), Route("/docs", docs), Route("/", home)]
    router = Router(routes=table, redirect_slashes=False)
    infer = Infer(plane, settings.limits.body)
    mounted: list[BaseRoute] = [Route(base, enter, include_in_schema=False), Mount(base, app=router)] if base else []
    return Application(mounted if base else table, fast, infer, base, tfaas.requests)


def _table(plane: DataPlane, management: Management, settings: Settings, tfaas: TFaaS) -> list[BaseRoute]:
    """Routes and their handlers; for one path with several methods, one line each."""
    models = Models(plane, management, settings)
    downloads = Downloads(plane, management, settings)
    netron = Netron(plane, management)
    proto, image = PredictProto(plane, settings.limits), PredictImage(plane, settings)
    one, version = "/api/models/{model}", "/api/models/{model}/versions/{version}"
    lines: list[tuple[str, str, Handler]] = [
        ("POST", "/proto", proto.__call__),
        ("POST", "/predict/proto", proto.__call__),
        ("POST", "/image", image.__call__),
        ("POST", "/predict/image", image.__call__),
        ("POST", "/predict/root", PredictRoot(plane, management, settings).__call__),
        ("POST", "/upload", tfaas.upload),
        ("DELETE", "/delete", tfaas.delete),
        ("DELETE", "/delete/{model}", tfaas.delete),
        ("GET", "/models", tfaas.models),
        ("GET", "/params/{model}", tfaas.params),
        ("POST", "/params", tfaas.set_params),
        ("GET", "/status", tfaas.status),
        ("GET", "/download/{model}", downloads.archive),
        ("GET", "/download/{model}/{version}", downloads.archive),
        ("GET", "/download/{model}/{version}/{path:path}", downloads.file),
        ("GET", "/netron/", netron.choose),
        ("GET", "/netron/{model}/{version}/{path:path}", netron.view),
        ("GET", "/api/models", models.index),
        ("POST", "/api/models", models.upload),
        ("GET", one, models.show),
        ("PATCH", one, models.configure),
        ("DELETE", one, models.delete),
        ("GET", f"{one}/metadata", models.metadata),
        ("POST", f"{one}/load", models.load),
        ("POST", f"{one}/unload", models.unload),
        ("PUT", f"{one}/labels/{{label}}", models.label),
        ("DELETE", f"{one}/labels/{{label}}", models.unlabel),
        ("GET", version, models.version),
        ("DELETE", version, models.delete),
        ("GET", f"{version}/metadata", models.metadata),
        ("POST", f"{version}/load", models.load),
        ("POST", f"{version}/unload", models.unload),
    ]
    paths: dict[str, dict[str, Handler]] = {}
    for method, path, handler in lines:
        paths.setdefault(path, {})[method] = handler
    return [Route(path, _by_method(calls), methods=list(calls)) for path, calls in paths.items()]


def _by_method(calls: dict[str, Handler]) -> Handler:
    async def call(request: Request) -> Response:
        return await calls["GET" if request.method == "HEAD" else request.method](request)

    return call


class _Raw:
    """Makes Starlette call an ASGI application as it is: a class, not a function."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        await self.app(scope, receive, send)
