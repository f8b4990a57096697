"""A workflow as YAML, for provenance: whatever it was read from, the same workflow gives the same text."""

from __future__ import annotations

from typing import Any

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.config.yaml_text import dump_yaml
from mlaas4hep.errors import without_credentials

__all__ = ["decisive", "provenance", "to_yaml"]

_OF_THE_RUN = {"reading": {"cache", "cache_limit", "remote"}}
"""Settings that decide nothing but where copies of the events lie, and how long servers are waited for."""


def provenance(workflow: Workflow) -> dict[str, Any]:
    """Return all settings that say what was trained, as JSON values: those of the run alone are left out."""
    data: dict[str, Any] = _shown(workflow.model_dump(mode="json", exclude=_OF_THE_RUN))
    return data


def decisive(workflow: Workflow) -> dict[str, Any]:
    """Return all settings that decide what is trained, as JSON values: those of how events are read are left out."""
    hows = {"workers", "memory_limit", "cache", "cache_limit", "remote", "on_bad_file", "max_bad"}
    return workflow.model_dump(mode="json", exclude={"histograms": True, "reading": hows})


def to_yaml(workflow: Workflow) -> str:
    """Return the canonical YAML of a workflow: every setting but those of the run alone, in the order of the model.

    Settings that are not set (None) are left out. Paths are written as they are; those of a workflow that was read
    from files are absolute, so `read_yaml` of this text gives an equal workflow wherever it lies.
    """
    return dump_yaml(_shown(workflow.model_dump(mode="json", exclude_none=True, exclude=_OF_THE_RUN)))


def _shown(value: Any) -> Any:
    """The same data with no credentials in its texts."""
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return without_credentials(value) if isinstance(value, str) else value
