"""From columns of events to the feature matrix, and what is done to it before a model sees it.

A `Layout` is the contract between training and every server: which branch and index each feature column holds, and
how a raw value becomes what the model sees. The ONNX model in a bundle implements the same arithmetic (float32, in the
same order), so that both give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.gather import Transform

__all__ = ["FeatureBranch", "Layout"]


@dataclass(frozen=True, slots=True)
class FeatureBranch:
    """One branch among the features, and the numbers of its normalisation.

    A stored value becomes the raw value ``v`` (float32, NaN where missing) when `origin` is subtracted from it, in
    float64, or exactly for integers. The raw value becomes ``max((v - offset) * scale, floor)``, and ``fill`` where it
    is missing. Offset, scale, floor and fill are float32 values. The floor keeps real values away from the fill.

    Attributes:
        name: the branch or variable.
        kind: flat or jagged.
        length: number of feature columns, 1 for a flat branch.
        origin: float64; 0 but for branches whose values differ by less than float32 can tell.
    """

    name: str
    kind: Literal["flat", "jagged"]
    length: int
    offset: float
    scale: float
    floor: float
    fill: float
    origin: float = 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    """The feature columns, in order: the branches one after another, each with its `length` columns.

    Attributes:
        branches: in the order of the columns.
        missing: values that mean missing in the input, e.g. -999. Columns of a branch with an origin have NaN instead:
            there such a number is a difference like any other.
        nan: true if the model itself understands NaN: then nothing is filled and there is no floor.
        mask: true if one more column a feature follows, 1.0 where the value is real and 0.0 where it is missing.
        normalisation: the name of the method, for people; the numbers stand in the branches.
    """

    branches: tuple[FeatureBranch, ...]
    missing: tuple[float, ...] = ()
    nan: bool = False
    mask: bool = False
    normalisation: str = "minmax"
    _prepared: list[Transform] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the D raw feature columns: ``MET_pt``, ``Jet_pt[0]``, ``Jet_pt[1]``, ..."""
        return tuple(
            f"{branch.name}[{index}]" if branch.kind == "jagged" else branch.name
            for branch in self.branches
            for index in range(branch.length)
        )

    @property
    def model_columns(self) -> tuple[str, ...]:
        """Names of the columns the model sees: the raw ones, then with the mask ``mask of MET_pt``, ..."""
        return (*self.columns, *(f"mask of {name}" for name in self.columns)) if self.mask else self.columns

    @property
    def width(self) -> int:
        """Number D of raw feature columns."""
        return sum(branch.length for branch in self.branches)

    @property
    def model_width(self) -> int:
        """Number of columns the model sees: D, or 2 D with the mask."""
        return self.width * 2 if self.mask else self.width

    def expand(self, attribute: Literal["offset", "scale", "floor", "fill"]) -> NDArray[np.float32]:
        """Return one of the normalisation's numbers for each raw column, float32 [D]."""
        return np.array(
            [getattr(branch, attribute) for branch in self.branches for _ in range(branch.length)], dtype=np.float32
        )

    @property
    def shifted(self) -> NDArray[np.bool_]:
        """Whether each raw column counts from an origin, bool [D]."""
        return np.array(
            [branch.origin != 0.0 for branch in self.branches for _ in range(branch.length)], dtype=np.bool_
        )

    def real(self, raw: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Say which values are there: finite ones that do not mean missing.

        Args:
            raw: raw feature columns, float32 [N, D].

        Returns:
            bool [N, D].
        """
        found = np.isfinite(raw)
        if self.missing:
            free = self.shifted
            with np.errstate(over="ignore"):
                for number in np.array(self.missing, dtype=np.float32):
                    found &= (raw != number) | free
        return found

    def transform(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw feature columns to what the model sees.

        Args:
            raw: float32 [N, D]; NaN or infinite where missing.

        Returns:
            float32 [N, D], or [N, 2 D] with the mask.
        """
        return self.prepared(raw)

    @property
    def prepared(self) -> Transform:
        """The transformation with its numbers as arrays, made once."""
        if not self._prepared:
            numbers = [self.expand(name) for name in ("offset", "scale", "floor", "fill")]
            made = Transform.of(self.width, numbers, self.missing, self.shifted, mask=self.mask, nan=self.nan)
            self._prepared.append(made)
        return self._prepared[0]


def rows_of(branches: Sequence[FeatureBranch]) -> list[tuple[str, int]]:
    """Pairs (branch, index) of the raw columns; index 0 for a flat branch."""
    return [(branch.name, index) for branch in branches for index in range(branch.length)]
