"""torch modules to ONNX."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from mlaas4hep.frameworks.onnx.names import OPSET
from mlaas4hep.frameworks.onnx.scoring import OnnxScorer
from mlaas4hep.training.backends.onnx import conversion, finish
from mlaas4hep.training.backends.torch.outputs import Scores, evaluating
from mlaas4hep.training.user_code.standard_error import EVERYTHING, without_text

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.events.base import Task

__all__ = ["convert"]

_EXAMPLE = 3
_OTHERS = (1, 7)
"""Rows that a trace is made with, and rows it is tried on."""


def convert(model: nn.Module, width: int, task: Task) -> onnx.ModelProto:
    """As `Backend.to_onnx`.

    A trace of the module is taken if torch saw nothing in it that a trace cannot follow, and if it gives the module's
    scores for batches of other sizes; else what torch.export makes of the module, which takes ten times as long. Where
    that fails there is the trace again: whether it is right is asked on real events later.
    """
    with conversion(model):
        scores = Scores(model, width, task)

        def finished(exported: onnx.ModelProto) -> onnx.ModelProto:
            outputs = scores.outputs if task == "multiclass" else 1
            return finish(exported, width, task, output=exported.graph.output[0].name, outputs=outputs)

        with evaluating(scores), torch.no_grad():
            traced = None
            try:
                exported, followed = _trace(scores, width)
                traced = finished(exported)
                if followed and _agrees(traced, scores, width):
                    return traced
            except Exception:  # whatever an exporter does not like: there is another one
                pass
            try:
                return finished(_program(scores, width))
            except Exception:
                if traced is None:
                    raise
        return traced


def _trace(scores: Scores, width: int) -> tuple[onnx.ModelProto, bool]:
    """What one call of the module does, and whether torch found nothing to warn of."""
    import onnx

    buffer = io.BytesIO()
    with warnings.catch_warnings(record=True) as found, _nothing_printed():
        warnings.simplefilter("always")
        torch.onnx.export(
            scores,
            (torch.zeros(_EXAMPLE, width),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["x"],
            output_names=["scores"],
            dynamic_axes={"x": {0: "N"}, "scores": {0: "N"}},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    followed = all(issubclass(warning.category, (DeprecationWarning, FutureWarning)) for warning in found)
    return onnx.load_from_string(buffer.getvalue()), followed


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Torch prints the graph that it cannot convert, from C++."""
    choose = getattr(torch._C, "_jit_set_onnx_log_output_stream", lambda _stream: None)
    choose("stderr")
    try:
        with without_text(EVERYTHING):
            yield
    finally:
        choose("stdout")


def _agrees(traced: onnx.ModelProto, scores: Scores, width: int) -> bool:
    """Whether a converted model gives the module's scores for any number of rows."""
    scorer = OnnxScorer(traced.SerializeToString(), threads=1)
    rng = np.random.default_rng(0)
    for rows in _OTHERS:
        x = rng.standard_normal((rows, width), dtype=np.float32)
        expected = scores(torch.from_numpy(x)).numpy()
        if not np.allclose(scorer.scores(x), expected, rtol=1e-4, atol=1e-5):
            return False
    return True


def _program(scores: Scores, width: int) -> onnx.ModelProto:
    """What torch.export makes of the module."""
    program = torch.onnx.export(
        scores,
        (torch.zeros(_EXAMPLE, width),),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes={"x": {0: torch.export.Dim("N")}},
        verbose=False,
    )
    assert program is not None
    return program.model_proto
