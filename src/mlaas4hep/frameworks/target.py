"""The unit in which a network learns the target of a regression, and the way back to its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.onnx.names import rename_inside

if TYPE_CHECKING:
    import onnx

__all__ = ["TargetScale"]


@dataclass(frozen=True)
class TargetScale:
    """The model learns ``(y - offset) / scale``."""

    offset: float
    scale: float

    def forward(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return targets [N] as the model learns them."""
        return ((y.astype(np.float64) - self.offset) / self.scale).astype(np.float32)

    def back(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return predictions [N, 1] in the unit of the target."""
        return (scores.astype(np.float64) * self.scale + self.offset).astype(np.float32)

    def in_graph(self, core: onnx.ModelProto) -> onnx.ModelProto:
        """Return the converted model with `back` at its end, in float64."""
        import onnx
        from onnx import TensorProto, helper

        model = onnx.ModelProto()
        model.CopyFrom(core)
        graph = model.graph
        name = graph.output[0].name
        inner = "target/learnt"
        rename_inside(graph, {name: inner})
        for key, value in (("scale", self.scale), ("offset", self.offset)):
            graph.initializer.append(helper.make_tensor(f"target/{key}", TensorProto.DOUBLE, [], [value]))
        make = helper.make_node
        graph.node.extend(
            [
                make("Cast", [inner], ["target/double"], name="target/double", to=TensorProto.DOUBLE),
                make("Mul", ["target/double", "target/scale"], ["target/scaled"], name="target/scaled"),
                make("Add", ["target/scaled", "target/offset"], ["target/shifted"], name="target/shifted"),
                make("Cast", ["target/shifted"], [name], name="target/float", to=TensorProto.FLOAT),
            ]
        )
        onnx.checker.check_model(model)
        return model
