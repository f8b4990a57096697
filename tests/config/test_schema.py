from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mlaas4hep.config import Workflow, json_schema

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "reference" / "workflow.schema.json"


def test_the_published_schema_is_up_to_date() -> None:
    text = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mlaas4hep.config.schema"], check=True, capture_output=True, text=True
    ).stdout
    assert PUBLISHED.read_text(encoding="utf-8") == text, (
        "run `python -m mlaas4hep.config.schema > docs/reference/workflow.schema.json`"
    )
    assert json.loads(text) == json_schema()


def test_head() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "https://mlaas4hep/schema/workflow.json"
    assert schema["title"]
    assert schema["description"]
    assert schema["required"] == ["samples"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Workflow.model_fields)


def test_short_forms_are_in_it() -> None:
    schema = json_schema()
    parts = schema["$defs"]
    assert {"type": "string"} in parts["Sample"]["properties"]["files"]["anyOf"]
    assert {"type": "string"} in schema["properties"]["selection"]["anyOf"]
    assert {"additionalProperties": {"type": "string"}, "type": "object"} in schema["properties"]["variables"]["anyOf"]
    assert parts["Cut"]["required"] == ["expression"]
    memory = parts["Reading"]["properties"]["memory_limit"]["anyOf"]
    assert {"type": "string"} in memory
