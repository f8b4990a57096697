"""The OpenAPI document says all there is, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from mlaas4hep.inference.rest.openapi import document
from mlaas4hep.inference.rest.openapi_schemas import SCHEMAS
from tests.support.table import table

DOCUMENT = document(table().calls)


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
def test_every_call_is_described_with_its_body(base: str) -> None:
    calls = [call for call in table(base_path=base).calls if call.path]
    paths = document(calls, base)["paths"]
    assert sum(map(len, paths.values())) == len(calls) > 40
    for call in calls:
        operation = paths[base + call.template][call.method.lower()]
        assert "requestBody" in operation or call.body == "memory"


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    used = {name.removeprefix("#/components/schemas/") for name in references(DOCUMENT)}
    assert used == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_json_schemas(name: str) -> None:
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[name]})


def test_every_call_says_what_may_go_wrong() -> None:
    for path, calls in DOCUMENT["paths"].items():
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
    for path, calls in DOCUMENT["paths"].items():
        for call in calls.values():
            named = [one["name"] for one in call.get("parameters", []) if one["in"] == "path"]
            assert named == re.findall(r"{(\w+)}", path)
