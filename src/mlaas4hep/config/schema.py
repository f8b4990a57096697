"""The published JSON Schema of the YAML file: for editors, and for services that check a workflow before it is sent.

``python -m mlaas4hep.config.schema`` prints it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from mlaas4hep.config.workflow import Workflow

__all__ = ["SCHEMA_ID", "json_schema", "schema_text"]

SCHEMA_ID = "https://mlaas4hep/schema/workflow.json"


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a workflow as it may be written, short forms included."""
    schema = Workflow.model_json_schema(mode="validation")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "MLaaS4HEP workflow",
        "description": "Samples, features and training of one model.",
    }
    return head | {key: value for key, value in schema.items() if key not in head}


def schema_text() -> str:
    """Return the schema as the text of ``docs/reference/workflow.schema.json``."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
