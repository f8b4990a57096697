"""The workflow's configuration: one validated model, read from the legacy files or from one YAML file."""

from __future__ import annotations

from typing import Any

from mlaas4hep.config.dump import to_yaml
from mlaas4hep.config.fields import Label
from mlaas4hep.config.legacy.load import read_legacy
from mlaas4hep.config.problems import ConfigWarning
from mlaas4hep.config.sections.data import Reading, Sample
from mlaas4hep.config.sections.events import Split, Weights
from mlaas4hep.config.sections.features import Features
from mlaas4hep.config.sections.selection import Cut, Variable
from mlaas4hep.config.sections.training import Training
from mlaas4hep.config.specs_file import LegacySpecs, read_legacy_specs
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.config.yaml_file import read_yaml

__all__ = [
    "ConfigWarning",
    "Cut",
    "Features",
    "Label",
    "LegacySpecs",
    "Reading",
    "Sample",
    "Split",
    "Training",
    "Variable",
    "Weights",
    "Workflow",
    "json_schema",
    "read_legacy",
    "read_legacy_specs",
    "read_yaml",
    "to_yaml",
]


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the YAML file."""
    from mlaas4hep.config.schema import json_schema as build

    return build()
