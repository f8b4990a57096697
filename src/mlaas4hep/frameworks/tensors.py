"""What executes a model: named tensors in, named tensors out. Nothing here knows protocols, models or versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from numpy.typing import NDArray

__all__ = ["FEATURES", "SCORES", "Runtime", "TensorSpec", "Tensors", "first_axis_free", "row_names", "spec_of_tensor"]

FEATURES: Final = "features"
"""Input of the models of bundles and of trees: rows of columns, float32 [N, D]."""
SCORES: Final = "scores"
"""Their output, float32 [N, K]."""
Tensors: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: as in the model.
        dtype: numpy name, e.g. ``float32``; ``object`` for strings.
        shape: sizes, -1 where any size is allowed; the first axis is the batch if the runtime's `batched` is true.
        columns: names of the entries along the last axis (class names of scores), empty if unknown.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()


def spec_of_tensor(name: str, tensor: Any) -> TensorSpec:
    """Return the spec of a tensor of Keras, TensorFlow or torch; sizes that are not fixed become -1."""
    kind = str(getattr(tensor.dtype, "name", tensor.dtype)).removeprefix("torch.")
    shape = tuple(size if isinstance(size, int) else -1 for size in tensor.shape)
    return TensorSpec(name, "object" if kind == "string" else kind, shape)


def row_names(inputs: Sequence[TensorSpec]) -> tuple[str, ...]:
    """Return the names of the values of a row: of the columns of one input, else of the inputs; empty without names."""
    return inputs[0].columns if len(inputs) == 1 else tuple(spec.name for spec in inputs)


def first_axis_free(specs: Iterable[TensorSpec]) -> bool:
    """Return true if every tensor has a first axis of any size; that its rows are independent is not told by that."""
    return all(spec.shape[:1] == (-1,) for spec in specs)


class Runtime(Protocol):
    """One loaded model. `run` may be called from several threads at the same time."""

    platform: str
    """As Triton calls it, e.g. ``onnxruntime_onnx``."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs in the model's order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs in the model's order."""

    @property
    def batched(self) -> bool:
        """True if the first axis of every input and output counts independent rows, of any number."""

    def run(
        self, inputs: Tensors, outputs: Sequence[str] | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Execute.

        Args:
            inputs: one array for each input, of its dtype and shape (checked by the caller).
            outputs: names wanted; None: all.
            timeout: seconds after which the run is stopped.

        Raises:
            ModelTimeoutError: it took longer.
            ModelFailedError: the model failed on this input, or its worker died.
        """

    def close(self) -> None:
        """Give back the memory. No run is under way."""
