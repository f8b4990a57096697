"""What the conversions of all backends have in common: their errors, and the form of the output."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlaas4hep.errors import ConversionError
from mlaas4hep.frameworks.onnx.scores import score_graph

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.events.base import Task

__all__ = ["conversion", "finish", "quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters print, log and warn of away from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextlib.contextmanager
def conversion(model: object) -> Iterator[None]:
    """Turn whatever a converter raises into a ConversionError, quietly."""
    try:
        with quiet():
            yield
    except ConversionError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        reason = f"{type(error).__name__}: {text[:300]}"
        raise ConversionError(f"{type(model).__name__} cannot be converted to ONNX: {reason}") from error


def finish(
    model: onnx.ModelProto,
    width: int,
    task: Task,
    *,
    output: str,
    outputs: int,
    activation: str | None = None,
    double: bool = False,
) -> onnx.ModelProto:
    """Return a converted graph in the form the bundle expects, see `score_graph`.

    Input ``x`` float32 [N, width]; one output ``scores``, float32: binary [N, 1], multiclass [N, C], regression [N, 1].
    """
    kept = outputs if task == "multiclass" else 1
    return score_graph(
        model,
        width,
        output=output,
        outputs=outputs,
        kept=kept,
        names=("x", "scores"),
        activation=activation,
        double=double,
    )
