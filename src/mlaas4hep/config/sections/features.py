"""Which branches become feature columns, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlaas4hep.config.fields import Lengths, Names, Numbers, Real
from mlaas4hep.config.sections.section import Section

__all__ = ["Features"]


class Features(Section):
    """Which branches become feature columns, and how."""

    include: Names = Field(default=(), description="Branches or glob patterns; empty: all numeric branches.")
    exclude: Names = Field(default=(), description="Branches or glob patterns that are not features.")
    length: Lengths = Field(default={}, description="Number of columns for a jagged branch; `default` for all others.")
    quantile: Real | None = Field(
        default=None,
        gt=0.0,
        le=1.0,
        description="Take this quantile of the multiplicity as length. Default: the maximum.",
    )
    normalisation: Literal["minmax", "standard", "robust", "none"] = "minmax"
    missing: Numbers = Field(default=(), description="Values that mean missing, e.g. -999.")
    impute: Literal["below", "centre"] = Field(
        default="below",
        description="For models that cannot take NaN: one unit below the smallest training value, or 0 after "
        "normalisation (to be used with `mask`).",
    )
    mask: bool = Field(default=False, description="Append one column per feature, 1 where the value is real, else 0.")
