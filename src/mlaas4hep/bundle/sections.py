"""The parts of a manifest."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlaas4hep.bundle.layout_json import layout_from_json, layout_to_json
from mlaas4hep.errors import BundleError
from mlaas4hep.features.layout import Layout

__all__ = [
    "PREPROCESSING_FILE",
    "BranchColumns",
    "FeatureColumns",
    "FileRecord",
    "Input",
    "InputFile",
    "LeftOut",
    "Output",
    "Parity",
    "Provenance",
    "Section",
    "UserPreprocessing",
]

PREPROCESSING_FILE = "preprocessing.py"
"""Name in a bundle of the file with the user's function."""

Number = Annotated[
    float | Literal["NaN", "Infinity", "-Infinity"],
    Field(description="A number; infinities and NaN are written as strings."),
]


class Section(BaseModel):
    """Base of all sections: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Input(Section):
    """A branch that a client gives, or a variable that is computed from such branches."""

    name: str
    kind: Literal["flat", "jagged"]
    dtype: str = Field(default="float32", description="numpy name of the type in the training files.")
    length: int | None = Field(
        default=None, ge=1, description="Number of feature columns; null if it is not a feature itself."
    )
    expression: str | None = Field(default=None, description="Null: the client gives it. Else: it is computed by this.")
    selection_only: bool = Field(
        default=False, description="True if only the cuts need it: scores can be computed without it."
    )
    computed: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="True if the user's preprocessing returns it: what a file has by this name is not it.",
    )


class UserPreprocessing(Section):
    """The user's Python function through which the events of the training went; a server never runs it."""

    file: Literal["preprocessing.py"] = Field(default="preprocessing.py", description="Its file in the bundle.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Checksum of that file.")
    given: tuple[str, ...] = Field(description="Branches of a file that it is given.")
    computed: tuple[str, ...] = Field(description="Branches that it returns, changed or not.")
    selected: str = Field(description="Branch that is true for the events that it keeps; the first cut.")


class BranchColumns(Section):
    """One branch among the features: ``max((v - offset) * scale, floor)`` in float32, `fill` where missing.

    The raw value v in the columns of `features` is float32(stored value - origin).
    """

    name: str
    kind: Literal["flat", "jagged"]
    length: int = Field(ge=1)
    origin: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="Subtracted in float64 (exactly from integers) before a stored value becomes float32.",
    )
    offset: Number
    scale: Number
    floor: Number
    fill: Number


class FeatureColumns(Section):
    """The feature columns in order, and what is done to them before the model sees them."""

    branches: tuple[BranchColumns, ...] = Field(min_length=1)
    missing: tuple[Number, ...] = Field(default=(), description="Values that mean missing, besides NaN and infinities.")
    nan: bool = Field(default=False, description="True if the model takes NaN for missing values: nothing is filled.")
    mask: bool = Field(
        default=False, description="True if one more column per feature follows: 1 where the value is real, else 0."
    )
    normalisation: str = "minmax"
    columns: tuple[str, ...] = Field(description="Names of the D columns of `features`, in order.")

    @model_validator(mode="after")
    def _columns_of_branches(self) -> FeatureColumns:
        try:
            columns = self.layout.columns
        except BundleError as error:
            raise ValueError(error.what) from error
        if self.columns != columns:
            msg = "columns do not follow from branches"
            raise ValueError(msg)
        return self

    @property
    def layout(self) -> Layout:
        """The same as a `Layout`."""
        return layout_from_json(self.model_dump())

    @staticmethod
    def of(layout: Layout) -> FeatureColumns:
        """Return the section for a layout."""
        return FeatureColumns.model_validate({**layout_to_json(layout), "columns": layout.columns})


class Output(Section):
    """An output of the model."""

    name: str = "scores"
    dtype: str = "float32"
    shape: tuple[int, ...] = Field(description="Shape without the first axis (events), e.g. [1].")
    meaning: tuple[str, ...] = Field(description="What each column is, in words.")
    kind: Literal["probability", "decision", "value"] | None = Field(
        default=None,
        description="probability: in [0, 1], those of an event sum to 1. decision: larger for the class, not a "
        "probability. value: of a regression. Null in bundles written before there was this key.",
    )


class LeftOut(Section):
    """A branch that is not a feature."""

    name: str
    reason: str


class FileRecord(Section):
    """Checksum and size of a file of the bundle."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Parity(Section):
    """How the scores of the ONNX model compare with the native ones on real rows."""

    rows: int = Field(ge=0, description="Events compared.")
    max_abs_difference: float | None = Field(description="Largest difference of a score; null if not computed.")
    tolerance: float = Field(
        description="Largest difference allowed, in units of the spread of the scores, besides the noise of float32."
    )
    agreed: bool
    reason: str | None = Field(default=None, description="Why they do not agree.")


class InputFile(Section):
    """A file the model was trained on."""

    path: str
    identity: str = Field(description="UUID of a ROOT file, digest of a table.")
    entries: int = Field(ge=0)
    selected: int | None = Field(default=None, ge=0, description="Events after the cuts.")
    sample: str | None = None
    label: int | float | str | None = None
    weight: float = 1.0


class Provenance(Section):
    """Where the model comes from, enough to make it again."""

    files: tuple[InputFile, ...] = ()
    configuration: dict[str, Any] = Field(default={}, description="The validated workflow.")
    seeds: dict[str, int] = {}
    packages: dict[str, str] = Field(default={}, description="Versions of the packages that took part.")
    python: str | None = None
