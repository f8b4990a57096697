"""``model.json`` beside the versions of a model: labels and settings, shared by all servers of the repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.repository.disk import read_object, write_object
from mlaas4hep.inference.repository.names import LATEST, is_label

__all__ = ["FILE", "Batching", "ModelSettings", "read_settings", "write_settings"]

FILE = "model.json"
Number = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,14}$")]


class Batching(BaseModel):
    """Dynamic batching: rows of several callers are run together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_size: int = Field(default=256, ge=2, le=65_536, description="Rows of one run.")
    max_delay_ms: float = Field(default=1.0, ge=0, le=10_000, description="Milliseconds a row may wait for others.")


class ModelSettings(BaseModel):
    """Settings of a model, for all its versions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: dict[str, Number] = Field(default={}, description="Version of each label; `latest` is always the newest.")
    canary: float = Field(default=0.0, ge=0, le=100, description="Per cent of requests for the version `canary`.")
    batching: Batching | None = Field(default=None, description="Null: every request is run on its own.")
    highest: int = Field(default=0, ge=0, description="Highest number of a version that was deleted.")
    unloaded: tuple[Number, ...] = Field(default=(), description="Versions not to be loaded until asked for.")

    @field_validator("labels")
    @classmethod
    def _allowed(cls, labels: dict[str, str]) -> dict[str, str]:
        for label in labels:
            if not is_label(label) or label == LATEST:
                raise ValueError(f"{label!r} cannot be a label")
        return labels

    def changed(self, changes: Mapping[str, Any]) -> ModelSettings:
        """Return the settings after some changes.

        Raises:
            BadRequestError: an unknown key or a value that is not allowed; names the key.
        """
        try:
            return ModelSettings.model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise BadRequestError(f"setting {key}: {first['msg']}") from error

    def without(self, version: str) -> ModelSettings:
        """Return the settings after a version has gone; its number is not given again."""
        labels = {label: number for label, number in self.labels.items() if number != version}
        unloaded = tuple(n for n in self.unloaded if n != version)
        return self.changed({"labels": labels, "unloaded": unloaded, "highest": max(self.highest, int(version))})


def read_settings(model: Path) -> ModelSettings:
    """Return the settings in a model's folder; the defaults where there is no file.

    Raises:
        ValueError: the file is not valid.
    """
    return ModelSettings.model_validate(read_object(model / FILE))


def write_settings(model: Path, settings: ModelSettings) -> None:
    """Write them beside and rename."""
    write_object(model / FILE, settings.model_dump(mode="json"))
