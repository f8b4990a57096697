"""What is known of an uploaded model, and what a framework makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from numpy.typing import NDArray

from mlaas4hep.frameworks.tensors import Tensors, TensorSpec

__all__ = ["SIZES_TRIED", "Kind", "Loader", "Native", "Source", "columns_of", "node_names"]

Kind: TypeAlias = str
"""Name of a format, see `mlaas4hep.frameworks.framework.ModelFormat`."""


SIZES_TRIED: Final = (32, 8, 128, 16, 64, 4, 1, 2)
"""For axes of any size other than the first: some models need a least number of particles."""


@dataclass(frozen=True)
class Source:
    """An uploaded model, recognised.

    Attributes:
        kind: format.
        path: the model's file, or the folder of a SavedModel.
        inputs, outputs: what is known from config.pbtxt or params.json; empty if nothing. A size is -1 if any.
        batch: true if the first axis of `inputs` and `outputs` is said to be the batch; None: nothing is said.
        params: content of params.json.
        labels: class names from labels.txt or the like.
        threads: threads the framework may use.
    """

    kind: Kind
    path: Path
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    batch: bool | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    threads: int = 1


@dataclass(frozen=True)
class Native:
    """A model as its framework runs it.

    Attributes:
        platform: as Triton calls it.
        inputs, outputs: in order; names are those the served model has.
        run: from tensors by name to tensors by name.
        batched: the first axis of every tensor counts independent rows.
        classes: class names, if the model knows them.
        model: the framework's object, for its converter.
        cuts: for tree models: the values at which each column is split, by column.
        exact: for tree models: a value right at a cut is compared in float32, as ONNX does.
        missing: for tree models: NaN is allowed.
        spread: differences count relative to the spread of the scores, not to their size: a sum of trees around 500 000
            loses in float32 what tells rows apart.
        symbols: by input: names of the axes of any size; those of one name are of one size. "" where there is none.
        shapes: by input: sizes that the model is known to take; empty if none are.
    """

    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    run: Callable[[Tensors], dict[str, NDArray[Any]]]
    batched: bool
    classes: tuple[str, ...] = ()
    model: Any = None
    cuts: Mapping[int, NDArray[Any]] | None = None
    exact: bool = True
    missing: bool = True
    spread: bool = False
    symbols: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def columns_of(names: tuple[str, ...], size: int) -> tuple[str, ...]:
    """Return names along an axis if there are as many as it is long, else none."""
    return names if len(names) == size else ()


def node_names(params: Mapping[str, Any], side: str) -> tuple[str, ...]:
    """Return the names of a graph's inputs or outputs (``side``), from a list or text separated by commas."""
    for key in (f"{side}_node", f"{side}Node", f"{side}_name", f"{side}Name", f"{side}_nodes", f"{side}s"):
        value = params.get(key)
        items = value if isinstance(value, list) else str(value or "").split(",")
        names = tuple(item.strip() for item in items if isinstance(item, str) and item.strip())
        if names:
            return names
    return ()


class Loader(Protocol):
    """What the module of a format offers."""

    def load(self, source: Source) -> Native:
        """Load the model, after all that can be checked without loading has been checked."""

    def to_onnx(self, source: Source, native: Native, target: Path) -> None:
        """Write the same model as ONNX; raises anything if that cannot be done."""
