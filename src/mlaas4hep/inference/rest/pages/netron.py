"""``GET /netron/``: the graph of a model in the browser, by the pages of the package netron."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from mlaas4hep.errors.serving import ModelNotFoundError, ModelUnavailableError
from mlaas4hep.inference.rest.downloads import inside
from mlaas4hep.inference.rest.openapi import BINARY, BYTES, HTML, REASONS, operation
from mlaas4hep.inference.rest.pages.html import PAGES, choose_page
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.responses import file_response
from mlaas4hep.inference.server import Server
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls"]

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
}
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:"
META = re.compile(r'<meta name="(?:version|date)" content="[^"]*">\n?')


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls below ``/netron``."""
    own = _Netron(resources.server)
    page: dict[str, Any] = {HTML: {"type": "string"}}
    files: dict[str, Any] = {kind: {} for kind in TYPES.values() if kind != HTML}
    choose = operation(PAGES, "List the graphs", answer=page, query="model version")
    choose["responses"]["302"] = {"description": REASONS["302"]}
    view = operation(PAGES, "Show the graph of a model", answer={**page, **files, BYTES: BINARY})
    return [
        Call("GET", "/netron/", Right.READ, own.choose, choose),
        Call("GET", "/netron/{model}/{version}/{path:path}", Right.READ, own.view, view),
    ]


class _Netron:
    """Handlers of the calls."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def choose(self, request: Request) -> Response:
        """Return the models to choose from; ``?model=`` goes to one."""
        model = request.query_params.get("model")
        if model:
            info = self._server.info(model, request.query_params.get("version", ""))
            return RedirectResponse(f"{quote(info.name)}/{quote(info.version)}/", 302)
        return choose_page(self._server.models())

    async def view(self, request: Request) -> Response:
        """Return the viewer, or one of its files, or the model's graph."""
        info = self._server.info(request.path_params["model"], request.path_params["version"])
        name = request.path_params["path"]
        if name == "model.onnx":
            path = inside(self._server.files(info.name, info.version), name)
            if path is None:
                raise ModelNotFoundError(f"model {info.name} version {info.version} has no ONNX graph")
            return file_response(path, "application/octet-stream", name)
        folder = _folder()
        if folder is None:
            raise ModelUnavailableError("the viewer is not installed", hint="pip install netron")
        if name in ("", "index.html"):
            return _index(folder, request, info.name)
        path = inside(folder, name)
        if path is None or path.suffix not in TYPES:
            raise ModelNotFoundError(f"there is no file {name[:200]!a}")
        headers = {"content-disposition": "inline", "cache-control": "max-age=86400"}
        return file_response(path, TYPES[path.suffix], name, headers)


def _index(folder: Path, request: Request, model: str) -> Response:
    """Return the viewer's page, told which graph to open.

    It connects to no other host: version 0.0.0 is how the viewer marks a copy that does neither, the cookie answers
    its question for consent, and the policy forbids connections to other hosts.
    """
    text = META.sub("", (folder / "index.html").read_text(encoding="utf-8"))
    meta = (
        '<meta name="type" content="Python">\n<meta name="version" content="0.0.0">\n'
        f'<meta name="file" content="model.onnx">\n<meta name="identifier" content="{html.escape(model)}.onnx">\n'
    )
    response = HTMLResponse(text.replace("<title>", f"{meta}<title>", 1), headers={"content-security-policy": POLICY})
    response.set_cookie("consent", "none", path=request.url.path, samesite="strict")
    return response


@cache
def _folder() -> Path | None:
    """Return where the viewer's files are; the package itself is not imported."""
    from importlib.util import find_spec

    spec = find_spec("netron")
    return Path(spec.origin).parent if spec is not None and spec.origin else None
