"""Labels and settings of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.repository.model_json import Batching, ModelSettings, read_settings, write_settings


def test_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == ModelSettings(labels={}, canary=0, batching=None, unloaded=())


def test_there_and_back(tmp_path: Path) -> None:
    settings = ModelSettings(
        labels={"stable": "3", "x-1": "1"}, canary=2.5, batching=Batching(max_size=8, max_delay_ms=0.5), unloaded=("2",)
    )
    write_settings(tmp_path, settings)
    assert read_settings(tmp_path) == settings
    assert json.loads((tmp_path / "model.json").read_text())["batching"] == {"max_size": 8, "max_delay_ms": 0.5}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"labels": {"latest": "1"}}, "labels"),
        ({"labels": {"1": "1"}}, "labels"),
        ({"labels": {"stable": "v1"}}, "labels.stable"),
        ({"canary": -1}, "canary"),
        ({"canary": float("nan")}, "canary"),
        ({"batching": 5}, "batching"),
        ({"batching": {"max_delay_ms": 1e6}}, "batching.max_delay_ms"),
        ({"unloaded": ["x"]}, "unloaded.0"),
        ({"else": 1}, "else"),
    ],
)
def test_what_is_not_allowed(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(BadRequestError, match=f"^setting {key}: "):
        ModelSettings().changed(changes)


def test_without_a_version() -> None:
    settings = ModelSettings(labels={"stable": "1", "canary": "2"}, canary=5, unloaded=("1", "3"))
    assert settings.without("1") == ModelSettings(labels={"canary": "2"}, canary=5, unloaded=("3",), highest=1)
