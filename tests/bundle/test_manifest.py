from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlaas4hep.bundle import FeatureColumns, InputFile, Manifest, Provenance, bundle_name, manifest_schema, now
from mlaas4hep.bundle.canonical import json_bytes
from mlaas4hep.bundle.manifest import NAME, read_manifest
from mlaas4hep.bundle.sections import Input
from mlaas4hep.errors import BundleError
from mlaas4hep.features.layout import Layout

Make = Callable[..., Manifest]
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "reference" / "manifest.schema.json"


def test_the_published_schema_is_current() -> None:
    assert json.loads(SCHEMA.read_bytes()) == json.loads(json_bytes(manifest_schema()))


def test_a_manifest_survives_json(layout: Layout, make_manifest: Make) -> None:
    manifest = make_manifest(
        layout,
        provenance=Provenance(
            files=(InputFile(path="a.root", identity="uuid", entries=5, selected=3, label="signal"),),
            configuration={"b": [1, None], "a": {"x": True}},
            packages={"numpy": "2"},
            python="3.11",
        ),
    )
    back = read_manifest(manifest.to_json(), "here")
    assert back == manifest
    assert back.to_json() == manifest.to_json()
    assert back.layout == layout
    assert back.width == 1


def test_keys_that_came_later_are_written_only_where_they_say_something(layout: Layout, make_manifest: Make) -> None:
    """An earlier release knows none of them, and refuses what it does not know."""
    document = json.loads(make_manifest(layout).to_json())
    assert "preprocessing" not in document
    assert all("computed" not in entry for entry in document["inputs"])
    for computed, written in ((False, None), (True, True)):
        entry = Input(name="met", kind="flat", computed=computed)
        assert json.loads(json_bytes(entry)).get("computed") is written


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"task": "binary", "classes": ("b", "s"), "signal": "s"}, ("s",)),
        ({"task": "multiclass", "classes": ("b", "s", "t"), "signal": None}, ("b", "s", "t")),
        ({"task": "regression", "classes": (), "signal": None}, ()),
    ],
)
def test_names_of_scores(layout: Layout, make_manifest: Make, changes: dict[str, Any], names: tuple[str, ...]) -> None:
    assert make_manifest(layout, **changes).score_names == names


def test_infinite_floors_survive_json(layout: Layout, make_manifest: Make) -> None:
    open_ended = replace(layout, branches=tuple(replace(b, floor=float("-inf")) for b in layout.branches))
    back = read_manifest(make_manifest(open_ended).to_json(), "here")
    assert back.layout == open_ended


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("a",)}, "1 classes do not fit the task binary"),
        ({"classes": ("a", "b", "c")}, "3 classes do not fit the task binary"),
        ({"task": "regression"}, "2 classes do not fit the task regression"),
        ({"task": "multiclass", "classes": ("a",)}, "1 classes do not fit the task multiclass"),
        ({"signal": "background"}, "signal is background, but the class with index 1 is signal"),
        ({"served": "native"}, "the native model is served, and no reason is given"),
        ({"name": "../up"}, "should match pattern"),
        ({"created": "2026-13-02T03:04:05Z"}, "does not match format"),
        ({"colour": 1}, "Extra inputs are not permitted"),
    ],
)
def test_contradictions_are_refused(layout: Layout, make_manifest: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_manifest(layout, **changes)


def test_columns_must_follow_from_branches(layout: Layout) -> None:
    data = FeatureColumns.of(layout).model_dump() | {"columns": ("met", "pt[1]", "pt[0]")}
    with pytest.raises(ValidationError, match="columns do not follow from branches"):
        FeatureColumns.model_validate(data)


def test_a_bad_branch_is_a_validation_error(layout: Layout) -> None:
    data = FeatureColumns.of(layout).model_dump()
    data["branches"][0]["length"] = 2
    with pytest.raises(ValidationError, match="branch met of kind flat and length 2"):
        FeatureColumns.model_validate(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "here: manifest.json is not JSON"),
        ("[]", "is not the manifest of a model bundle"),
        ('{"name": "x"}', "is not the manifest of a model bundle"),
        ('{"schema_version": 2}', "schema version 2, this release reads version 1; use the release"),
        ('{"schema_version": 1, "name": "x"}', "manifest.json is not valid at framework: Field required"),
    ],
)
def test_a_bad_manifest_is_refused_in_clear_words(text: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        read_manifest(text, "here")


def test_the_time_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, layout: Layout, make_manifest: Make, created: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")
    assert now() == created
    fields = make_manifest(layout).model_dump(exclude={"created"})
    assert Manifest(**fields).created == created


@given(st.text())
def test_any_text_gives_an_allowed_name(text: str) -> None:
    assert re.fullmatch(NAME, bundle_name(text))


def test_importing_the_bundle_imports_nothing_heavy() -> None:
    heavy = "onnx onnxruntime tensorflow keras torch sklearn xgboost skops uproot"
    code = f"import sys, mlaas4hep.bundle; print([name for name in '{heavy}'.split() if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
