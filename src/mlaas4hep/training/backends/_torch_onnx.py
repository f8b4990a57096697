"""torch modules to ONNX."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import torch
from torch import nn

from mlaas4hep.training.backends._onnx import OPSET, conversion, finish
from mlaas4hep.training.backends._torch_outputs import Scores, evaluating

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.data import Task

__all__ = ["convert"]


def convert(model: nn.Module, width: int, task: Task) -> onnx.ModelProto:
    """As `Backend.to_onnx`; tries the exporter built on torch.export first, then the one that traces."""
    with conversion(model):
        import onnx

        scores = Scores(model, width, task)
        example = torch.zeros(3, width)
        with evaluating(scores), torch.no_grad():
            try:
                batch = torch.export.Dim("N")
                program = torch.onnx.export(
                    scores,
                    (example,),
                    dynamo=True,
                    opset_version=OPSET,
                    dynamic_shapes={"x": {0: batch}},
                    verbose=False,
                )
                assert program is not None
                exported = program.model_proto
            except Exception:
                buffer = io.BytesIO()
                axes = {"x": {0: "N"}, "scores": {0: "N"}}
                torch.onnx.export(
                    scores,
                    (example,),
                    buffer,  # type: ignore[arg-type]
                    dynamo=False,
                    opset_version=OPSET,
                    input_names=["x"],
                    output_names=["scores"],
                    dynamic_axes=axes,
                    training=torch.onnx.TrainingMode.PRESERVE,
                )
                exported = onnx.load_from_string(buffer.getvalue())
        outputs = scores.outputs if task == "multiclass" else 1
        return finish(exported, width, task, output=exported.graph.output[0].name, outputs=outputs)
