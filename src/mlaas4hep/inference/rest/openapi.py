"""The OpenAPI document: every call of the route table, what it takes, and everything it may answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import mlaas4hep
from mlaas4hep.inference.rest.openapi_schemas import SCHEMAS, ref
from mlaas4hep.web.routes import Call

__all__ = [
    "BINARY",
    "BYTES",
    "FORM",
    "HTML",
    "JSON",
    "REASONS",
    "TAR",
    "TEXT",
    "TFAAS",
    "V2",
    "document",
    "operation",
    "ref",
]

TFAAS, V2 = "TFaaS", "Open Inference Protocol"

JSON = "application/json"
FORM = "multipart/form-data"
BYTES = "application/octet-stream"
HTML = "text/html"
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
TEXT: dict[str, Any] = {"text/plain": {"type": "string"}}
TAR: dict[str, Any] = {FORM: ref("UploadForm"), BYTES: BINARY, "application/gzip": BINARY, "application/x-tar": BINARY}
"""Bodies of an upload."""
REASONS = {
    "200": "Done.",
    "201": "Created.",
    "204": "Done.",
    "302": "Redirect.",
    "400": "The request cannot be understood or does not fit the model.",
    "401": "No token, or one that is not valid.",
    "403": "Not allowed.",
    "404": "There is no such model, version or path.",
    "405": "The path does not take this method.",
    "409": "The model or version exists already, or is being changed.",
    "413": "The body, or what is in it, is above the limits.",
    "415": "Unknown content type or encoding.",
    "422": "The model is refused: a pickle, custom code, an unknown format, a failed conversion.",
    "429": "Above the rate limit, or too much is waiting.",
    "500": "The model failed, or something unexpected happened; the log has the id.",
    "503": "The model is not ready, or the server is stopping.",
    "504": "Timed out.",
}
ALWAYS = "400 401 403 404 429 500 503"
BODY = "413 415"
NAMES = {
    "model": "Name of a model.",
    "version": "Number of a version, or a label.",
    "label": "A label: stable, canary, ...",
    "path": "Path of a file.",
}
QUERY = {
    "model": "Name of a model; default: the server's default model.",
    "version": "Number of a version, or a label.",
    "tree": "The tree, if it is not the one of the training.",
    "format": "Format of the answer.",
    "name": "Name of the model, for a body that is not a form.",
    "filename": "Name of the file, for a body that is not a form.",
}


def document(calls: Sequence[Call], base: str = "") -> dict[str, Any]:
    """Return the document of a table of calls, OpenAPI 3.1.

    Args:
        calls: those without an operation are left out.
        base: prefix of all paths.
    """
    described = [(call, call.operation) for call in calls if call.operation is not None]
    paths: dict[str, dict[str, Any]] = {}
    for call, found in described:
        parameters = [_parameter(name, "path", NAMES.get(name)) for name in re.findall(r"{(\w+)}", call.template)]
        parameters += found.get("parameters", [])
        more = {"parameters": parameters} if parameters else {}
        paths.setdefault(f"{base}{call.template}", {})[call.method.lower()] = {**found, **more}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MLaaS4HEP inference",
            "version": mlaas4hep.__version__,
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
            "description": "Predictions of models trained on ROOT files, from raw branch values. All errors have one "
            "shape. Where the server has OpenID issuers, calls need a bearer token with the scope to read, to predict, "
            "or to manage.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "tags": [{"name": name} for name in dict.fromkeys(tag for _, found in described for tag in found["tags"])],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def operation(
    tag: str,
    summary: str,
    *,
    body: dict[str, Any] | None = None,
    answer: dict[str, Any] | None = None,
    errors: str = "",
    text: str = "",
    query: str = "",
    status: str = "200",
    optional: bool = False,
) -> dict[str, Any]:
    """Return one operation of the document; the parameters of its path are added there.

    Args:
        tag: group of calls.
        summary: what it does, in a few words.
        body: schema of a JSON body, or schemas by media type; None: there is no body.
        answer: the same for the answer.
        errors: statuses beyond those that every call may have, between blanks.
        text: what else there is to say.
        query: names of the parameters of the query, between blanks.
        status: of a good answer.
        optional: the body may be left out.
    """
    call: dict[str, Any] = {"tags": [tag], "summary": summary}
    if text:
        call["description"] = text
    parameters = [_parameter(name, "query", QUERY[name]) for name in query.split()]
    if parameters:
        call["parameters"] = parameters
    if body is not None:
        call["requestBody"] = {"required": not optional, "content": _content(body)}
    good: dict[str, Any] = {"description": REASONS[status]}
    if answer is not None:
        good["content"] = _content(answer)
    codes = sorted({*ALWAYS.split(), *errors.split(), *(BODY.split() if body is not None else [])})
    failed = {"content": {JSON: {"schema": ref("Error")}}}
    call["responses"] = {status: good, **{code: {"description": REASONS[code], **failed} for code in codes}}
    return call


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    media = any(re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", key) for key in schema)
    return {kind: {"schema": one} for kind, one in (schema if media else {JSON: schema}).items()}


def _parameter(name: str, place: str, description: str | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if place == "path":
        schema["minLength"] = 1
    about = {"description": description} if description else {}
    return {"name": name, "in": place, "required": place == "path", **about, "schema": schema}
