"""Schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from mlaas4hep.inference.protocol.datatypes import DTYPES

__all__ = ["SCHEMAS", "ref"]

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Return a reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str = "", what: str = "", texts: str = "", /, **properties: Schema) -> Schema:
    """Return the schema of an object; required properties without a schema of their own, and `texts`, are strings."""
    names = required.split()
    strings = {name: TEXT for name in (*names, *texts.split()) if name not in properties}
    schema: Schema = {"type": "object", "properties": strings | properties}
    if required:
        schema["required"] = names
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

SCHEMAS: dict[str, Schema] = {
    "Error": _object("error", "", "id", error={"type": "string", "description": "What went wrong, where, what to do."}),
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
    ),
    "ImageLabels": _object(
        "filename labels", labels=_list(_object("label probability", probability=MAYBE), maxItems=5)
    ),
    "ImageForm": _object(
        "image model", "", "version", image={"type": "string", "format": "binary", "description": "PNG or JPEG."}
    ),
    "RootForm": _object("file", "", "model version tree format", file={"type": "string", "format": "binary"}),
    "RootUrl": _object(
        "url",
        "",
        "tree",
        url={"type": "string", "description": "Must begin with a prefix that the server's configuration allows."},
        model=MODEL,
        version=VERSION,
        format={"enum": ["root", "parquet"]},
    ),
    "UploadForm": _object(
        "model",
        "A model in parts, or (`file` alone) an archive or single file.",
        "version",
        name={"type": "string", "description": "Default: `name` of params."},
        params={"type": "string", "format": "binary", "description": "params.json."},
        model={"type": "string", "format": "binary"},
        labels={"type": "string", "format": "binary", "description": "A class name a line."},
        file={"type": "string", "format": "binary"},
    ),
    "Params": _object(
        "name", "params.json of TFaaS.", "model description timestamp input_name output_name version", labels={}
    ),
    "DefaultModel": _object("", "`name`, or else `model`, becomes the default.", "name model"),
    "Deleted": _object("deleted"),
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
        state={"type": "string", "description": "READY, LOADING, UNLOADED or FAILED."},
        labels=_list(TEXT),
        classes=_list(TEXT),
    ),
    "Model": _object("name default versions", versions=_list(ref("Version"))),
    "Models": _object("models", models=_list(_object("name versions", versions=_list(ref("Version"))))),
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
    "Tensor": _object("name dtype shape columns", shape=SHAPE, columns=_list(TEXT)),
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
    "V2Server": _object("name version extensions", extensions=_list(TEXT)),
    "V2Live": _object("live", live=FLAG),
    "V2Ready": _object("ready", ready=FLAG),
    "V2ModelReady": _object("name ready", ready=FLAG),
    "V2Tensor": _object(
        "name shape datatype",
        shape=_list({"type": "integer", "minimum": 0}),
        datatype={"enum": sorted(DTYPES)},
        parameters=PARAMETERS,
        data={"type": "array", "description": "Row by row, nested or not."},
    ),
    "V2TensorMetadata": _object("name datatype shape", shape=SHAPE),
    "V2Metadata": _object(
        "name versions platform inputs outputs",
        versions=_list(TEXT),
        inputs=_list(ref("V2TensorMetadata")),
        outputs=_list(ref("V2TensorMetadata")),
    ),
    "V2Request": _object(
        "inputs",
        "",
        "id",
        parameters=PARAMETERS,
        inputs=_list(ref("V2Tensor"), minItems=1),
        outputs=_list(_object("name", parameters=PARAMETERS)),
    ),
    "V2Answer": _object("model_name model_version outputs", "", "id", outputs=_list(ref("V2Tensor"))),
    "V2Statistics": _object("model_stats", model_stats=_list(FREE)),
    "V2Config": FREE,
    "V2IndexRequest": _object("", ready=FLAG),
    "V2Index": _list(_object("name", "", "version state reason")),
    "V2Parameters": _object("", parameters=PARAMETERS),
    "Empty": {"type": "object"},
}
