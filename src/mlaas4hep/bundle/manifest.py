"""The manifest of a model bundle: what the model is, what it takes, what it gives, and where it comes from."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from mlaas4hep.bundle.canonical import json_bytes
from mlaas4hep.bundle.sections import (
    FeatureColumns,
    FileRecord,
    Input,
    LeftOut,
    Output,
    Parity,
    Provenance,
    Section,
    UserPreprocessing,
)
from mlaas4hep.errors import BundleError
from mlaas4hep.features.layout import Layout
from mlaas4hep.frameworks.tensors import FEATURES, SCORES, TensorSpec

__all__ = ["SCHEMA_VERSION", "Manifest", "bundle_name", "manifest_schema", "now", "read_manifest"]

SCHEMA_VERSION = 1
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"


def now() -> str:
    """Return the time in UTC as ``2026-11-05T12:00:00Z``; that of ``SOURCE_DATE_EPOCH`` (seconds) if it is set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def bundle_name(text: str) -> str:
    """Return a name that is allowed for a bundle, made of any text.

    Example:
        >>> bundle_name("Higgs to tau tau")
        'Higgs_to_tau_tau'
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", text).lstrip(".-")[:128]
    return name or "model"


def _is_none(value: object) -> bool:
    return value is None


class Manifest(Section):
    """``manifest.json`` of a bundle. Unknown keys are errors; `schema_version` grows with every incompatible change.

    A key that came later is written only where it says something, so that earlier releases read all other bundles.
    """

    schema_version: Literal[1] = Field(default=1, description="Version of this schema.")
    name: str = Field(pattern=NAME, description="Name under which the model is served.")
    version: str = Field(default="1", pattern=NAME, description="Version of the model.")
    created: str = Field(
        default_factory=now,
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
        description="UTC time; from SOURCE_DATE_EPOCH if that was set.",
    )
    framework: str = Field(description="keras, torch, sklearn or xgboost.")
    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...] = Field(
        default=(), description="Names of the classes by index; binary: index 1 is the signal. Empty for regression."
    )
    signal: str | None = Field(default=None, description="Binary: the class whose probability is the score.")
    target: str | None = Field(default=None, description="Regression: the branch that is predicted.")
    tree: str | None = Field(
        default=None, description="Tree in the input files; null for tables, and if they have several."
    )
    identifier: tuple[str, ...] = Field(default=(), description="Branches that identify an event; never features.")
    preprocessing: UserPreprocessing | None = Field(
        default=None,
        exclude_if=_is_none,
        description="The user's function that changed and selected the events first; null: there is none.",
    )
    inputs: tuple[Input, ...] = Field(
        default=(), description="What a client gives, and the variables computed from it."
    )
    selection: tuple[dict[str, Any], ...] = Field(default=(), description="The cuts, in order: name and expression.")
    features: FeatureColumns
    outputs: tuple[Output, ...] = Field(min_length=1)
    left_out: tuple[LeftOut, ...] = Field(
        default=(),
        description="Branches (or single columns) that are not features although they were not excluded, and why.",
    )
    weights: dict[str, Any] = Field(default={}, description="How weights were used, policy for negative ones, balance.")
    warnings: tuple[str, ...] = Field(default=(), description="Everything the user was warned of.")
    files: dict[str, FileRecord] = Field(default={}, description="Every file of the bundle but this one.")
    served: Literal["onnx", "native"] = Field(default="onnx", description="Which model a server runs.")
    reason: str | None = Field(default=None, description="Why the native model is served.")
    parity: Parity | None = Field(
        default=None, description="How native and ONNX predictions compare; null if there is no ONNX."
    )
    provenance: Provenance = Provenance()

    @field_validator("created")
    @classmethod
    def _real_time(cls, value: str) -> str:
        datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        wanted = {"binary": self.classes[2:] == () and len(self.classes) == 2, "regression": not self.classes}
        if not wanted.get(self.task, len(self.classes) >= 2):
            msg = f"{len(self.classes)} classes do not fit the task {self.task}"
            raise ValueError(msg)
        if self.task == "binary" and self.signal not in {None, self.classes[1]}:
            msg = f"signal is {self.signal}, but the class with index 1 is {self.classes[1]}"
            raise ValueError(msg)
        if self.served == "native" and not self.reason:
            msg = "the native model is served, and no reason is given"
            raise ValueError(msg)
        return self

    @property
    def layout(self) -> Layout:
        """The feature layout."""
        return self.features.layout

    @property
    def width(self) -> int:
        """Number K of columns of the scores."""
        return len(self.classes) if self.task == "multiclass" else 1

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the columns of the scores: a class each, for binary the signal's alone; empty for regression."""
        if len(self.classes) == 2 and self.width == 1:
            return (self.signal or self.classes[1],)
        return self.classes if len(self.classes) == self.width else ()

    @property
    def tensors(self) -> tuple[TensorSpec, TensorSpec]:
        """Input and output of the served model: raw feature columns float32 [N, D], scores float32 [N, K]."""
        columns, names = self.layout.columns, self.score_names
        return (
            TensorSpec(FEATURES, "float32", (-1, len(columns)), columns),
            TensorSpec(SCORES, "float32", (-1, self.width), names),
        )

    def to_json(self) -> bytes:
        """Return the bytes of ``manifest.json``: fields in the order of the schema, free sections sorted."""
        return json_bytes(self)


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the manifest."""
    schema = Manifest.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def read_manifest(text: bytes | str, where: str) -> Manifest:
    """Return the manifest in the content of a ``manifest.json``.

    Args:
        text: the content.
        where: the bundle, for messages.

    Raises:
        BundleError: it is not JSON, of another schema version, or not valid; names the first key at fault.
    """
    version = _version(text, where)
    if version != SCHEMA_VERSION:
        what = f"manifest.json has schema version {version!r}, this release reads version {SCHEMA_VERSION}"
        raise BundleError(what, where=where, hint="use the release of mlaas4hep that wrote it")
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "as a whole"
        what = f"manifest.json is not valid at {key}: {first['msg']}"
        raise BundleError(what, where=where) from error


def _version(text: bytes | str, where: str) -> object:
    try:
        data = json.loads(text)
    except ValueError as error:
        what = f"manifest.json is not JSON ({error})"
        raise BundleError(what, where=where) from error
    if not isinstance(data, dict) or "schema_version" not in data:
        what = "manifest.json is not the manifest of a model bundle (it has no schema_version)"
        raise BundleError(what, where=where)
    return data["schema_version"]
