"""The OpenAPI document says all there is, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from starlette.routing import Mount, Route

from mlaas4hep.inference.rest.app import Application, create_app
from mlaas4hep.inference.rest.pages.openapi import document
from mlaas4hep.inference.rest.pages.openapi_schemas import SCHEMAS
from mlaas4hep.inference.settings import Settings
from tests.support.local_plane import LocalPlane


def routes(app: Application) -> set[tuple[str, str]]:
    """Path and method of every route."""
    found = set()
    for route in app.routes:
        inner = route.routes if isinstance(route, Mount) else [route]
        prefix = route.path if isinstance(route, Mount) else ""
        for one in inner:
            assert isinstance(one, Route)
            if not one.include_in_schema:
                continue
            for method in (one.methods or set()) - {"HEAD"}:
                found.add((prefix + one.path.replace(":path}", "}"), method.lower()))
    return found


def references(content: Any) -> Iterator[str]:
    """All references in a document."""
    if isinstance(content, dict):
        if "$ref" in content:
            yield content["$ref"]
        for value in content.values():
            yield from references(value)
    elif isinstance(content, list):
        for value in content:
            yield from references(value)


@pytest.mark.parametrize("base", ["", "/tfaas"])
def test_every_route_is_described_and_no_other(base: str, tmp_path: Path) -> None:
    plane = LocalPlane(tmp_path)
    app = create_app(plane, plane, Settings(repository=tmp_path, base_path=base))
    described = {(path, method) for path, calls in document(base)["paths"].items() for method in calls}
    assert described == routes(app)


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    used = {name.removeprefix("#/components/schemas/") for name in references(document())}
    assert used == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_json_schemas(name: str) -> None:
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[name]})


def test_every_call_says_what_may_go_wrong() -> None:
    for path, calls in document()["paths"].items():
        for method, call in calls.items():
            codes = set(call["responses"])
            assert {"401", "403", "404", "429", "500", "503"} <= codes, path
            assert any(code.startswith("2") for code in codes), path
            if "requestBody" in call:
                assert {"413", "415"} <= codes, path
            for code, answer in call["responses"].items():
                if code >= "400":
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Error"}, (path, method)


def test_parameters_of_paths_are_described() -> None:
    for path, calls in document()["paths"].items():
        for call in calls.values():
            named = [one["name"] for one in call.get("parameters", []) if one["in"] == "path"]
            assert named == re.findall(r"{(\w+)}", path)
