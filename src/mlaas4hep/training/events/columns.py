"""Which feature columns the model of a training gets, and how they are normalised."""

from __future__ import annotations

from mlaas4hep.config.sections.features import Features
from mlaas4hep.config.specs_file import LegacySpecs
from mlaas4hep.errors import ConfigError
from mlaas4hep.features.normalisation import LayoutChoice, build_layout, layout_from_legacy
from mlaas4hep.training.events.first_pass import FirstPass

__all__ = ["choose_columns"]


def choose_columns(first: FirstPass, features: Features, specs: LegacySpecs | None, *, nan: bool) -> LayoutChoice:
    """Choose the layout of the feature columns.

    Args:
        first: the first pass.
        features: lengths, normalisation, imputation.
        specs: in the original's form, computed earlier; None: those of the first pass.
        nan: whether the model takes NaN.

    Raises:
        ConfigError: no column is left.
    """
    if specs is None:
        choice = build_layout(first.scan.specs, features, nan=nan)
    else:
        choice = LayoutChoice(layout_from_legacy(specs, first.branches.features, features, nan=nan), {}, ())
    if not choice.layout.branches:
        raise ConfigError("every feature is missing in every training event", hint="look at `mlaas4hep specs`")
    return choice
