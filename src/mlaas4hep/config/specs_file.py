"""Specs in the original's form, as ``--specs=specs.json`` gives them."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlaas4hep.config.json_file import read_json
from mlaas4hep.config.problems import config_error

__all__ = ["LegacySpecs", "read_legacy_specs"]


class LegacySpecs(BaseModel):
    """Ranges and dimensions of all branches, computed earlier.

    The original writes a `minv` above the `maxv` for a branch that has no value in any event.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    jdim: dict[str, int] = Field(description="Largest multiplicity of each jagged branch.")
    minv: dict[str, float] = Field(description="Smallest value of each branch.")
    maxv: dict[str, float] = Field(description="Largest value of each branch.")
    fkeys: tuple[str, ...] = Field(description="Flat branches.")
    jkeys: tuple[str, ...] = Field(description="Jagged branches.")
    nans: dict[str, object] = Field(default={}, description="Padding values; not used, padding is always NaN.")
    events: dict[str, int] = Field(default={}, description="Events of each file, and `total`.")

    @model_validator(mode="after")
    def _complete(self) -> LegacySpecs:
        for branch in (*self.fkeys, *self.jkeys):
            for key, values in (("minv", self.minv), ("maxv", self.maxv)):
                if branch not in values:
                    msg = f"branch {branch} is not in {key}"
                    raise ValueError(msg)
        for branch in self.jkeys:
            if branch not in self.jdim:
                msg = f"jagged branch {branch} is not in jdim"
                raise ValueError(msg)
            if self.jdim[branch] < 0:
                msg = f"jagged branch {branch} has the negative dimension {self.jdim[branch]}"
                raise ValueError(msg)
            if branch in self.fkeys:
                msg = f"branch {branch} is in fkeys and in jkeys"
                raise ValueError(msg)
        return self

    @property
    def total(self) -> int | None:
        """Number of events in all files, None if the file does not say."""
        if "total" in self.events:
            return self.events["total"]
        return sum(self.events.values()) if self.events else None


def read_legacy_specs(path: Path) -> LegacySpecs:
    """Read and check specs in the original's form; further keys are ignored.

    Raises:
        FileReadError: no such file.
        ConfigError: not valid JSON, a key is missing, or the parts contradict each other.
    """
    data = read_json(path)
    try:
        return LegacySpecs.model_validate(data)
    except ValidationError as problem:
        raise config_error(problem, path, LegacySpecs) from problem
