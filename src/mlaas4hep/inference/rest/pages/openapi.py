"""The OpenAPI document: every route, what it takes, and everything it may answer."""

from __future__ import annotations

import re
from typing import Any

import mlaas4hep
from mlaas4hep.inference.rest.pages.openapi_schemas import SCHEMAS, ref

__all__ = ["document"]

JSON = "application/json"
FORM = "multipart/form-data"
BYTES = "application/octet-stream"
PROTOBUF = "application/x-protobuf"
HTML = "text/html"
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
REASONS = {
    "200": "Done.",
    "201": "Made.",
    "204": "Done.",
    "302": "Elsewhere.",
    "400": "The request cannot be understood or does not fit the model.",
    "401": "No token, or one that is not valid.",
    "403": "Not allowed.",
    "404": "There is no such model, version or path.",
    "405": "Not with this method.",
    "409": "The model or version is there already, or being changed.",
    "413": "The body, or what is in it, is above the limits.",
    "415": "The content type or encoding is not known.",
    "422": "The model is refused: a pickle, custom code, an unknown format, a failed conversion.",
    "429": "Above the rate limit, or too much is waiting.",
    "500": "The model failed, or something unexpected happened; the log has the id.",
    "503": "The model is not ready, or the server stops.",
    "504": "It took too long.",
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


def document(base: str = "") -> dict[str, Any]:
    """The document, OpenAPI 3.1.

    Args:
        base: prefix of all paths.
    """
    paths: dict[str, dict[str, Any]] = {}
    for path, method, call in _calls():
        paths.setdefault(f"{base}{path}", {})[method] = call
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
        "tags": [{"name": name} for name in ("TFaaS", "Models", "Open Inference Protocol", "Pages")],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _calls() -> list[tuple[str, str, dict[str, Any]]]:
    return [*_tfaas(), *_models(), *_v2(), *_pages()]


def _tfaas() -> list[tuple[str, str, dict[str, Any]]]:
    tag = "TFaaS"
    row = {"oneOf": [ref("Row"), ref("Events"), ref("Columns"), ref("Rows")]}
    scores = {"anyOf": [ref("Probabilities"), ref("Scores")]}
    text = "Keys and values of one event are answered with the list of its scores, everything else with an object."
    json_body, proto, image = {JSON: row}, {PROTOBUF: BINARY, BYTES: BINARY}, {FORM: ref("ImageForm")}
    labels = {"anyOf": [ref("ImageLabels"), ref("Probabilities")]}
    pixels = "Resized and scaled as the model's input needs; the five best labels, or all probabilities."
    tar = {FORM: ref("UploadForm"), BYTES: BINARY, "application/gzip": BINARY, "application/x-tar": BINARY}
    root_in = {BYTES: BINARY, "application/x-root": BINARY, FORM: ref("RootForm"), JSON: ref("RootUrl")}
    root_out = {"application/x-root": BINARY, "application/vnd.apache.parquet": BINARY}
    message = "A tfaaspb.Row or tfaaspb.DataFrame; entries of jagged branches are Jet_pt[0], Jet_pt[1], ..."
    answer = {PROTOBUF: BINARY}
    deleted = ref("Deleted")
    form = {"application/x-www-form-urlencoded": ref("DefaultModel"), FORM: ref("DefaultModel")}
    return [
        *(
            (path, "post", _call(tag, "Scores of events", json_body, scores, "504", text))
            for path in ("/json", "/predict/json", "/predict")
        ),
        *(
            (path, "post", _call(tag, "Scores of events, protobuf", proto, answer, "504", message, "version"))
            for path in ("/proto", "/predict/proto")
        ),
        *(
            (path, "post", _call(tag, "Classify a picture", image, labels, "504", pixels))
            for path in ("/image", "/predict/image")
        ),
        (
            "/predict/root",
            "post",
            _call(
                tag,
                "Scores of all entries of a ROOT file",
                root_in,
                root_out,
                "504",
                "One row for each entry, in order. The body is the file, a form with it, or its URL.",
                "model version tree format",
            ),
        ),
        ("/upload", "post", _call(tag, "Add a model", tar, ref("Version"), "409 422", "", "name version filename")),
        ("/delete", "delete", _call(tag, "Remove a model", form, deleted, "409", "", "model", optional=True)),
        ("/delete/{model}", "delete", _call(tag, "Remove a model", None, deleted, "409", path="model")),
        ("/models", "get", _call(tag, "Params of all models", None, {"type": "array", "items": ref("Params")})),
        ("/params/{model}", "get", _call(tag, "Params of a model", None, ref("Params"), path="model")),
        ("/params", "post", _call(tag, "Set the default model", {JSON: ref("DefaultModel")}, ref("Params"))),
        ("/status", "get", _call(tag, "Memory, load, counters of this process", None, ref("Status"))),
        *(
            (path, "get", _call(tag, "Download a version", None, {"application/gzip": BINARY}, path=names))
            for path, names in (("/download/{model}", "model"), ("/download/{model}/{version}", "model version"))
        ),
        (
            "/download/{model}/{version}/{path}",
            "get",
            _call(tag, "Download a file of a version", None, {BYTES: BINARY}, path="model version path"),
        ),
    ]


def _models() -> list[tuple[str, str, dict[str, Any]]]:
    tag, one = "Models", "/api/models/{model}"
    tar = {FORM: ref("UploadForm"), BYTES: BINARY, "application/gzip": BINARY, "application/x-tar": BINARY}
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("/api/models", "get", _call(tag, "All models", None, ref("Models"))),
        (
            "/api/models",
            "post",
            _call(tag, "Add a model", tar, ref("Version"), "409 422", "", "name version filename", status="201"),
        ),
        (one, "get", _call(tag, "All versions of a model", None, ref("Model"), path="model")),
        (
            one,
            "patch",
            _call(tag, "Change settings", {JSON: ref("Settings")}, ref("Settings"), "409", path="model"),
        ),
        (f"{one}/labels/{{label}}", "put", _labelled("Point a label to a version", {JSON: ref("Label")}, "200")),
        (f"{one}/labels/{{label}}", "delete", _labelled("Remove a label", None, "204")),
        (
            f"{one}/versions/{{version}}",
            "get",
            _call(tag, "One version", None, ref("Version"), path="model version"),
        ),
    ]
    for place, names, what in (
        (one, "model", "a model"),
        (f"{one}/versions/{{version}}", "model version", "a version"),
    ):
        found += [
            (place, "delete", _call(tag, f"Remove {what}", None, None, "409", path=names, status="204")),
            (f"{place}/metadata", "get", _call(tag, f"How to ask {what}", None, ref("Metadata"), path=names)),
            (f"{place}/load", "post", _call(tag, f"Load {what}", None, ref("Version"), "409 413 422", path=names)),
            (f"{place}/unload", "post", _call(tag, f"Unload {what}", None, None, "409", path=names, status="204")),
        ]
    return found


def _labelled(summary: str, body: dict[str, Any] | None, status: str) -> dict[str, Any]:
    answer = ref("Version") if status == "200" else None
    return _call("Models", summary, body, answer, "409", path="model label", status=status)


def _v2() -> list[tuple[str, str, dict[str, Any]]]:
    tag = "Open Inference Protocol"
    infer = {JSON: ref("V2Request"), BYTES: BINARY}
    answer = {JSON: ref("V2Answer"), BYTES: BINARY}
    binary = "Binary tensors follow the JSON part, whose length is in Inference-Header-Content-Length."
    found = [
        ("/v2", "get", _call(tag, "The server", None, ref("V2Server"))),
        ("/v2/health/live", "get", _call(tag, "The process lives", None, ref("V2Live"))),
        ("/v2/health/ready", "get", _call(tag, "The server takes requests", None, ref("V2Ready"))),
        ("/v2/models/stats", "get", _call(tag, "Counts and times of all models", None, ref("V2Statistics"))),
        (
            "/v2/repository/index",
            "post",
            _call(tag, "All versions", {JSON: ref("V2IndexRequest")}, ref("V2Index"), optional=True),
        ),
    ]
    for verb in ("load", "unload"):
        call = _call(
            tag,
            f"{verb.capitalize()} a model",
            {JSON: ref("V2Parameters")},
            ref("Empty"),
            "409 422",
            path="model",
            optional=True,
        )
        found.append((f"/v2/repository/models/{{model}}/{verb}", "post", call))
    for place, names in (("/v2/models/{model}", "model"), ("/v2/models/{model}/versions/{version}", "model version")):
        texts = {JSON: ref("V2Config"), "text/plain": {"type": "string"}}
        found += [
            (place, "get", _call(tag, "Tensors of a model", None, ref("V2Metadata"), path=names)),
            (f"{place}/ready", "get", _call(tag, "Whether it is ready", None, ref("V2ModelReady"), path=names)),
            (f"{place}/config", "get", _call(tag, "Triton's configuration", None, texts, "", "", "format", path=names)),
            (f"{place}/stats", "get", _call(tag, "Counts and times", None, ref("V2Statistics"), path=names)),
            (f"{place}/infer", "post", _call(tag, "Run a model", infer, answer, "504", binary, path=names)),
        ]
    return found


def _pages() -> list[tuple[str, str, dict[str, Any]]]:
    tag, page = "Pages", {HTML: {"type": "string"}}
    viewer = {
        **page,
        "text/javascript": {},
        "text/css": {},
        "image/png": {},
        "image/x-icon": {},
        JSON: {},
        BYTES: BINARY,
    }
    choose = _call(tag, "Graphs to choose from", None, page, "", "", "model version")
    choose["responses"]["302"] = {"description": REASONS["302"]}
    return [
        ("/", "get", _call(tag, "The models", None, page)),
        ("/docs", "get", _call(tag, "This document for people", None, page)),
        ("/openapi.json", "get", _call(tag, "This document", None, {"type": "object"})),
        ("/netron/", "get", choose),
        (
            "/netron/{model}/{version}/{path}",
            "get",
            _call(tag, "The graph of a model", None, viewer, path="model version path"),
        ),
    ]


def _call(
    tag: str,
    summary: str,
    body: dict[str, Any] | None,
    answer: dict[str, Any] | None,
    errors: str = "",
    description: str = "",
    query: str = "",
    *,
    path: str = "",
    status: str = "200",
    optional: bool = False,
) -> dict[str, Any]:
    """One operation. `answer` is a schema (of JSON), or schemas by media type; so is the body."""
    call: dict[str, Any] = {"tags": [tag], "summary": summary}
    if description:
        call["description"] = description
    parameters = [_parameter(name, "path", NAMES[name]) for name in path.split()]
    parameters += [_parameter(name, "query", QUERY[name]) for name in query.split()]
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


def _parameter(name: str, place: str, description: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if place == "path":
        schema["minLength"] = 1
    return {"name": name, "in": place, "required": place == "path", "description": description, "schema": schema}
