"""From specs to a layout: how many columns a branch gets, and the numbers of its normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from mlaas4hep.config.sections.features import Features
from mlaas4hep.config.specs_file import LegacySpecs
from mlaas4hep.errors import ConfigError
from mlaas4hep.errors.findings import Findings
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.statistics.branch import Lengths
from mlaas4hep.features.statistics.origin import less, origin_of, origin_of_range
from mlaas4hep.features.statistics.sentinels import warning_of
from mlaas4hep.features.statistics.specs import BranchSpecs, Specs

__all__ = ["LayoutChoice", "build_layout", "choose_length", "layout_from_legacy"]

OUTLIER_QUANTILE = 0.999
OUTLIER_FACTOR = 2
PADDED_COLUMNS = 32
PADDED_SHARE = 0.1
SHORTER = (0.999, 0.998, 0.995, 0.99, 0.98, 0.95, 0.9)
ROBUST_ERROR = 0.1
ROUNDING = 2.0**-50
LOWEST = float(np.finfo(np.float32).min)
HIGHEST = -LOWEST
TINY = 1e-35
"""Below it float32 has few digits, or none."""
SMALLEST_SPREAD = 1e-30
"""Of the range of the values: divided by a smaller spread, they would not fit into float32."""


@dataclass(frozen=True)
class LayoutChoice:
    """A layout, the branches left out of it with the reason, warnings for the user, and what was chosen for them."""

    layout: Layout
    left_out: dict[str, str]
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()


def build_layout(specs: Specs, features: Features, *, nan: bool) -> LayoutChoice:
    """Choose the columns and the normalisation from the specs of the training events.

    A branch without any real value in training is left out, and said so. Columns beyond the longest list seen in
    training are left out too: they would be missing in every event.

    Args:
        specs: of the training events, in the order the features are to have.
        features: the user's wishes.
        nan: true if the model takes NaN.
    """
    branches: list[FeatureBranch] = []
    left_out: dict[str, str] = {}
    found = Findings()
    for pattern in features.length:
        if pattern != "default" and not any(fnmatchcase(name, pattern) for name in specs.branches):
            found.add("features.length names features that do not exist", pattern)
    for name, part in specs.branches.items():
        if part.values.real == 0:
            left_out[name] = "missing in every training event"
            found.add("missing in every training event, so left out of the features", name)
            continue
        length = 1
        if part.lengths is not None:
            length = choose_length(name, part.lengths, features, found)
        if part.values.infinite:
            found.add("infinite values in training, treated as missing", name, str(part.values.infinite))
        if part.values.large is not None:
            furthest = max(part.values.large.high, -part.values.large.low)
            text = f"{part.values.large.count}, as far as {furthest:g}"
            found.add("values beyond what float32 can hold in training, treated as missing", name, text)
        if part.values.missing:
            found.add("missing values in training", name, f"{part.values.missing} of {part.values.count}")
        if features.normalisation == "robust":
            error = max(part.values.features.quantile_error(q) for q in (0.16, 0.5, 0.84))
            spread = part.values.features.robust_spread
            if error > ROBUST_ERROR * spread and spread > 0:
                text = f"to {error:.3g}, its range is {spread:.3g}"
                found.add(
                    "only rough quantiles for normalisation robust (use minmax or standard, or cut the tails)",
                    name,
                    text,
                )
        branches.append(_branch(name, part, length, features, nan=nan))
        if part.values.features.rounded and max(-part.values.low, part.values.high) < TINY:
            found.add(
                "nearly zero as float32 (multiply it, in a variable, by what makes it about 1)",
                name,
                f"up to {max(-part.values.low, part.values.high):.3g}",
            )
    suspicion = warning_of(specs.values, features.missing)
    warnings = (*found.lines(), *([suspicion] if suspicion else []))
    layout = Layout(
        branches=tuple(branches),
        missing=features.missing,
        nan=nan,
        mask=features.mask,
        normalisation=features.normalisation,
    )
    return LayoutChoice(layout, left_out, warnings, _origins(layout))


def layout_from_legacy(specs: LegacySpecs, names: Sequence[str], features: Features, *, nan: bool) -> Layout:
    """Return the layout that specs in the original's form describe: their dimensions, and min-max with their ranges.

    Raises:
        ConfigError: they lack a feature, it has no value there, or another normalisation than min-max is wanted.
    """
    if features.normalisation != "minmax":
        raise ConfigError(
            f"specs.json has no {features.normalisation} normalisation", hint="use minmax, or leave out the specs"
        )
    branches: list[FeatureBranch] = []
    for name in names:
        if name not in (*specs.fkeys, *specs.jkeys):
            raise ConfigError(f"specs.json has no branch {name}", hint="make the specs again, or exclude the branch")
        low, high = specs.minv[name], specs.maxv[name]
        length = specs.jdim[name] if name in specs.jkeys else 1
        if low > high or length < 1:
            raise ConfigError(f"specs.json has no value of branch {name}", hint="exclude the branch")
        if max(-low, high) > HIGHEST:
            raise ConfigError(
                f"branch {name} goes from {low:g} to {high:g} in specs.json, beyond what float32 can hold",
                hint="cut these values away, or leave out the specs",
            )
        origin = origin_of_range(low, high)
        low, high = less(low, origin), less(high, origin)
        offset, scale = _float32_pair(low, high - low)
        floor, fill = (LOWEST, 0.0) if nan else _fill(low, high, offset, scale, features)
        branches.append(
            FeatureBranch(name, "jagged" if name in specs.jkeys else "flat", length, offset, scale, floor, fill, origin)
        )
    return Layout(tuple(branches), features.missing, nan, features.mask, "minmax")


def choose_length(name: str, lengths: Lengths, features: Features, found: Findings) -> int:
    """Number of columns of a jagged branch; where events lose values, or most columns are padding, that is found.

    The user's length for this branch or pattern, else `default`, else the quantile asked for, else the maximum; if the
    maximum is more than twice the 99.9 % quantile, that quantile.
    """
    wanted = features.length.get(name)
    if wanted is None:
        wanted = next((n for pattern, n in features.length.items() if fnmatchcase(name, pattern)), None)
    if wanted is None:
        wanted = features.length.get("default")
    maximum = max(lengths.maximum, 1)
    if wanted is not None:
        return min(wanted, maximum)
    if features.quantile is not None:
        return max(lengths.quantile(features.quantile), 1)
    usual = max(lengths.quantile(OUTLIER_QUANTILE), 1)
    if maximum > OUTLIER_FACTOR * usual:
        cut = int(lengths.counts[lengths.lengths > usual].sum())
        text = f"{usual} columns for up to {maximum} values, {cut} training events lose some"
        found.add(
            "lists truncated to what is enough for 99.9 % of the events (set features.length to choose)", name, text
        )
        maximum = usual
    padding = _padding(lengths, maximum)
    if padding:
        found.add("columns that are nearly all padding (set features.length to choose)", name, padding)
    return maximum


def _padding(lengths: Lengths, length: int) -> str | None:
    """What is said where nearly all of many columns are padding, with a length that is enough for nearly all events."""
    events = int(lengths.counts.sum())
    filled = lengths.kept(length) / max(events * length, 1)
    if length < PADDED_COLUMNS or filled >= PADDED_SHARE:
        return None
    text = f"{length} columns, {100 * (1 - filled):.4g} % of them padding"
    for share in SHORTER:
        shorter = max(lengths.quantile(share), 1)
        if length > OUTLIER_FACTOR * shorter:
            enough = int(lengths.counts[lengths.lengths <= shorter].sum())
            return (
                f"{text}; {shorter} are enough for {100 * enough / events:.4g} % of the training events, "
                f"{events - enough} of {events} have more values"
            )
    return text


def _branch(name: str, specs: BranchSpecs, length: int, features: Features, *, nan: bool) -> FeatureBranch:
    values = specs.values
    origin = origin_of(values.features)
    low, high = less(values.low, origin), less(values.high, origin)
    if features.normalisation == "minmax":
        offset, spread = low, high - low
    elif features.normalisation == "standard":
        offset, spread = less(values.features.moments.total() / values.real, origin), values.std
    elif features.normalisation == "robust":
        offset, spread = values.quantile(0.5) - origin, values.features.robust_spread
    else:
        offset, spread = 0.0, 1.0
    rounded = spread < ROUNDING * abs(origin)  # large integers, whose mean and quantiles are those of rounded numbers
    if features.normalisation != "none" and (rounded or 0 < spread < SMALLEST_SPREAD * (high - low)):
        offset, spread = low, high - low
    offset, scale = _float32_pair(offset, spread)
    floor, fill = (LOWEST, 0.0) if nan else _fill(low, high, offset, scale, features)
    return FeatureBranch(name, specs.kind, length, offset, scale, floor, fill, origin)


def _origins(layout: Layout) -> tuple[str, ...]:
    """What is said of the branches that have an origin."""
    found = Findings()
    for branch in layout.branches:
        if branch.origin:
            what = "float32 cannot tell their values apart, so an origin is subtracted from each"
            found.add(what, branch.name, f"from {branch.origin!r}")
    return found.lines()


def _float32_pair(offset: float, spread: float) -> tuple[float, float]:
    """Offset and scale as float32 values; scale 1 where the values do not spread."""
    with np.errstate(over="ignore", divide="ignore"):
        scale = float(np.float32(1.0) / np.float32(spread)) if spread > 0 else 1.0
    return float(np.float32(offset)), scale if math.isfinite(scale) and scale > 0 else 1.0


def _fill(low: float, high: float, offset: float, scale: float, features: Features) -> tuple[float, float]:
    """Floor and fill, float32: the fill lies a unit below the smallest training value, the floor half way between."""
    if features.impute == "centre":
        return LOWEST, 0.0
    smallest = (low - offset) * scale
    unit = 1.0 if features.normalisation != "none" else max(high - low, 1.0)
    unit = max(unit, abs(smallest) * 1e-3)  # more than the rounding of float32
    return float(np.float32(smallest - 0.5 * unit)), float(np.float32(smallest - unit))
