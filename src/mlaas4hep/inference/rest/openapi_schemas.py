"""Schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any

__all__ = ["SCHEMAS", "ref"]

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Return a reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str = "", what: str = "", /, **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required.split()
    if what:
        schema["description"] = what
    return schema


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
FREE: Schema = {"type": "object", "additionalProperties": True}
MAYBE: Schema = {"type": ["number", "null"], "description": "Null: not a number."}
VALUE: Schema = {
    "description": "Of a flat branch a number, of a jagged one a list; null: missing.",
    "anyOf": [{"type": ["number", "boolean", "null"]}, _list({"type": ["number", "boolean", "null"]})],
}
MODEL: Schema = {"type": "string", "description": "Name; default: the server's default model."}
VERSION: Schema = {"type": "string", "description": "Number or label; default: the model's default, with its canary."}
PARAMETERS: Schema = {"type": "object", "additionalProperties": True}
SHAPE: Schema = _list({"type": "integer"})
DATATYPES = ["BOOL", "BYTES", "FP16", "FP32", "FP64", *(f"{s}INT{n}" for s in ("", "U") for n in (8, 16, 32, 64))]

SCHEMAS: dict[str, Schema] = {
    "Error": _object("error", error={"type": "string", "description": "What went wrong, where, what to do."}, id=TEXT),
    "Row": _object(
        "keys values",
        "One event: branches in any order, and their raw values.",
        keys=_list(TEXT),
        values=_list(VALUE),
        model=MODEL,
        version=VERSION,
    ),
    "Events": _object(
        "events",
        "Events as records.",
        events=_list({"type": "object", "additionalProperties": VALUE}, minItems=1),
        model=MODEL,
        version=VERSION,
    ),
    "Columns": _object(
        "columns",
        "Events as columns, all of one length.",
        columns={"type": "object", "additionalProperties": _list(VALUE, minItems=1), "minProperties": 1},
        model=MODEL,
        version=VERSION,
    ),
    "Rows": _object(
        "rows",
        "Feature rows, by position.",
        rows=_list(_list({"type": ["number", "boolean", "null"]}, minItems=1), minItems=1),
        model=MODEL,
        version=VERSION,
    ),
    "Probabilities": _list(MAYBE, description="The scores of one event."),
    "Scores": _object(
        "scores classes model version",
        scores=_list(_list(MAYBE), description="Of each event one number for each class."),
        classes=_list(TEXT),
        model=TEXT,
        version=TEXT,
    ),
    "ImageLabels": _object(
        "filename labels",
        filename=TEXT,
        labels=_list(_object("label probability", label=TEXT, probability=MAYBE), maxItems=5),
    ),
    "ImageForm": _object(
        "image model",
        image={"type": "string", "format": "binary", "description": "PNG or JPEG."},
        model=TEXT,
        version=TEXT,
    ),
    "RootForm": _object(
        "file", file={"type": "string", "format": "binary"}, model=TEXT, version=TEXT, tree=TEXT, format=TEXT
    ),
    "RootUrl": _object(
        "url",
        url={"type": "string", "description": "Must begin with a prefix that the server's configuration allows."},
        model=MODEL,
        version=VERSION,
        tree=TEXT,
        format={"enum": ["root", "parquet"]},
    ),
    "UploadForm": _object(
        "model",
        "A model in parts, or (`file` alone) an archive or single file.",
        name={"type": "string", "description": "Default: `name` of params."},
        params={"type": "string", "format": "binary", "description": "params.json."},
        model={"type": "string", "format": "binary"},
        labels={"type": "string", "format": "binary", "description": "A class name a line."},
        file={"type": "string", "format": "binary"},
        version=TEXT,
    ),
    "Params": _object(
        "name",
        "params.json of TFaaS.",
        name=TEXT,
        model=TEXT,
        labels={},
        description=TEXT,
        timestamp=TEXT,
        input_name=TEXT,
        output_name=TEXT,
        version=TEXT,
    ),
    "DefaultModel": _object("", "`name`, or else `model`, becomes the default.", name=TEXT, model=TEXT),
    "Deleted": _object("deleted", deleted=TEXT),
    "Status": _object(
        "pid uptime memory load cpu requests models",
        pid=WHOLE,
        uptime={"type": "number", "description": "Seconds."},
        memory={"type": "object", "description": "Bytes of the machine and of this process.", "properties": {}},
        load=_list(NUMBER, minItems=3, maxItems=3),
        cpu=FREE,
        threads=WHOLE,
        connections=WHOLE,
        requests={"type": "object", "additionalProperties": WHOLE, "description": "Counts by method."},
        getRequests=WHOLE,
        postRequests=WHOLE,
        models={"type": "object", "additionalProperties": WHOLE, "description": "Counts of versions by state."},
    ),
    "Version": _object(
        "model version state reason labels platform classes",
        model=TEXT,
        version=TEXT,
        state={"type": "string", "description": "READY, LOADING, UNLOADED or FAILED."},
        reason=TEXT,
        labels=_list(TEXT),
        platform=TEXT,
        classes=_list(TEXT),
    ),
    "Model": _object("name default versions", name=TEXT, default=TEXT, versions=_list(ref("Version"))),
    "Models": _object("models", models=_list(_object("name versions", name=TEXT, versions=_list(ref("Version"))))),
    "Metadata": {
        "allOf": [
            ref("Version"),
            _object(
                "branches inputs outputs batched example params metadata",
                branches={"type": "object", "additionalProperties": {"enum": ["flat", "jagged"]}},
                inputs=_list(ref("Tensor")),
                outputs=_list(ref("Tensor")),
                batched=FLAG,
                example={"type": "object", "description": "Body of a request to /json."},
                params=FREE,
                metadata=FREE,
            ),
        ]
    },
    "Tensor": _object("name dtype shape columns", name=TEXT, dtype=TEXT, shape=SHAPE, columns=_list(TEXT)),
    "Label": _object("version", version={"type": ["string", "integer"]}),
    "Settings": _object(
        "",
        "Settings of a model; those not named stay.",
        canary={"type": "number", "minimum": 0, "maximum": 100, "description": "Per cent for the version `canary`."},
        batching={
            "description": "Null: every request is run on its own.",
            "anyOf": [{"type": "null"}, _object("", max_size=WHOLE, max_delay_ms=NUMBER)],
        },
    ),
    "V2Server": _object("name version extensions", name=TEXT, version=TEXT, extensions=_list(TEXT)),
    "V2Live": _object("live", live=FLAG),
    "V2Ready": _object("ready", ready=FLAG),
    "V2ModelReady": _object("name ready", name=TEXT, ready=FLAG),
    "V2Tensor": _object(
        "name shape datatype",
        name=TEXT,
        shape=_list({"type": "integer", "minimum": 0}),
        datatype={"enum": DATATYPES},
        parameters=PARAMETERS,
        data={"type": "array", "description": "Row by row, nested or not."},
    ),
    "V2TensorMetadata": _object("name datatype shape", name=TEXT, datatype=TEXT, shape=SHAPE),
    "V2Metadata": _object(
        "name versions platform inputs outputs",
        name=TEXT,
        versions=_list(TEXT),
        platform=TEXT,
        inputs=_list(ref("V2TensorMetadata")),
        outputs=_list(ref("V2TensorMetadata")),
    ),
    "V2Request": _object(
        "inputs",
        id=TEXT,
        parameters=PARAMETERS,
        inputs=_list(ref("V2Tensor"), minItems=1),
        outputs=_list(_object("name", name=TEXT, parameters=PARAMETERS)),
    ),
    "V2Answer": _object(
        "model_name model_version outputs", model_name=TEXT, model_version=TEXT, id=TEXT, outputs=_list(ref("V2Tensor"))
    ),
    "V2Statistics": _object("model_stats", model_stats=_list(FREE)),
    "V2Config": FREE,
    "V2IndexRequest": _object("", ready=FLAG),
    "V2Index": _list(_object("name", name=TEXT, version=TEXT, state=TEXT, reason=TEXT)),
    "V2Parameters": _object("", parameters=PARAMETERS),
    "Empty": {"type": "object"},
}
