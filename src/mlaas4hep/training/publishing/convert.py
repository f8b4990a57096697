"""From a trained model to ONNX, with its parity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.onnx_graph import compose, to_bytes
from mlaas4hep.bundle.parity import check
from mlaas4hep.bundle.sections import Parity
from mlaas4hep.errors import ConversionError
from mlaas4hep.training.fitting.fit import Trained

__all__ = ["Converted", "convert"]


@dataclass(frozen=True)
class Converted:
    """The ONNX model that agrees with the native one; None, with the reason, where there is none.

    Attributes:
        onnx: takes raw columns.
        core: the model alone, which takes transformed ones.
    """

    onnx: bytes | None
    core: bytes | None
    parity: Parity | None
    reason: str | None

    @property
    def served(self) -> Literal["onnx", "native"]:
        """Return which form of the model a server takes: ``onnx`` or ``native``."""
        return "onnx" if self.onnx is not None else "native"


def convert(trained: Trained, raw: NDArray[np.float32]) -> Converted:
    """Convert to ONNX and compare with the native model on real events.

    Args:
        trained: the model.
        raw: raw columns of the events, float32 [N, D].
    """
    layout = trained.choice.layout
    try:
        core = trained.backend.to_onnx(trained.model, layout.model_width, trained.labelled.labels.task)
        if trained.target is not None:
            core = trained.target.in_graph(core)
        model = compose(core, layout)
    except ConversionError as error:
        return Converted(None, None, None, str(error))
    parity = check(model, trained.predict, layout, raw)
    if not parity.agreed:
        return Converted(None, None, parity, f"the ONNX conversion is refused: {parity.reason}")
    return Converted(to_bytes(model), to_bytes(core), parity, None)
