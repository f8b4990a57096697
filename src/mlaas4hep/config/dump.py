"""A workflow as YAML, for provenance: whatever it was read from, the same workflow gives the same text."""

from __future__ import annotations

from typing import Any

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.config.yaml_text import dump_yaml

__all__ = ["to_yaml"]


def to_yaml(workflow: Workflow) -> str:
    """The canonical YAML of a workflow: every setting, defaults included, in the order of the model.

    Settings that are not set (None) are left out. Paths are written as they are; those of a workflow that was read
    from files are absolute, so `read_yaml` of this text gives an equal workflow wherever it lies.
    """
    data: dict[str, Any] = workflow.model_dump(mode="json", exclude_none=True)
    return dump_yaml(data)
