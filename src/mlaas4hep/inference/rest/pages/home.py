"""The home page, and the OpenAPI document in JSON and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.inference.rest.openapi import HTML, document, operation
from mlaas4hep.inference.rest.pages.html import PAGES, docs_page, home_page
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.responses import json_response
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls"]


def calls(resources: Resources, others: Sequence[Call]) -> Sequence[Call]:
    """Return the calls of the home page and of the document of all calls, `others` and these."""
    own = _Home(resources)
    page = {HTML: {"type": "string"}}
    described = operation(PAGES, "Show the OpenAPI document", answer={"type": "object"})
    made = [
        Call("GET", "/", Right.READ, own.home, operation(PAGES, "Show the models", answer=page)),
        Call(
            "GET", "/docs", Right.READ, own.docs, operation(PAGES, "Show the OpenAPI document as a page", answer=page)
        ),
        Call("GET", "/openapi.json", Right.READ, own.openapi, described),
    ]
    if resources.settings.base_path:
        made.append(Call("GET", "", Right.READ, own.enter))
    own.document = document([*others, *made], resources.settings.base_path)
    return made


class _Home:
    def __init__(self, resources: Resources) -> None:
        self.document: dict[str, Any] = {}
        self._server = resources.server
        self._base = resources.settings.base_path

    async def openapi(self, _: Request) -> Response:
        return json_response(self.document)

    async def docs(self, _: Request) -> Response:
        return docs_page(self.document)

    async def home(self, _: Request) -> Response:
        return home_page(self._server.models())

    async def enter(self, _: Request) -> Response:
        """Redirect to the models, whatever the header Host says."""
        return Response(status_code=307, headers={"location": f"{self._base}/"})
