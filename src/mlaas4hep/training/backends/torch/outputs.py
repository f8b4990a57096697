"""What the outputs of a torch module mean, and the module that turns them into scores."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends import checks
from mlaas4hep.training.events.base import Task

__all__ = [
    "Kind",
    "Known",
    "Scores",
    "check_outputs",
    "evaluating",
    "known_output",
    "note_output",
    "output_kind",
    "set_mode",
    "takes_padding",
]

Kind = Literal["probability", "sigmoids", "logits", "value"]
"""``sigmoids``: two outputs in [0, 1] that do not sum to 1; ``value``: taken as they are."""
_MARK = "_mlaas4hep_outputs"


class Scores(nn.Module):
    """A user's module with what turns its outputs into scores: binary [N, 1], multiclass [N, C], regression [N, 1]."""

    def __init__(self, model: nn.Module, width: int, task: Task) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.kind, self.outputs = output_kind(model, width, task)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores of transformed rows, float32."""
        raw = self.model(x)
        raw = raw.reshape(-1, self.outputs)
        if self.kind == "logits":
            raw = torch.sigmoid(raw) if self.outputs == 1 else torch.softmax(raw, dim=1)
        if self.task == "binary" and self.outputs == 2:
            raw = raw[:, 1:2]
        result: Tensor = raw.to(torch.float32)
        return result


@dataclass(frozen=True)
class Known:
    """What was found of the outputs of a module.

    Attributes:
        kind: how they become scores.
        outputs: their number.
        threshold: binary: the score between signal and background.
    """

    kind: Kind
    outputs: int
    threshold: float = 0.5


def output_kind(model: nn.Module, width: int, task: Task) -> tuple[Kind, int]:
    """Return how the outputs become scores, and their number; found once and kept on the module."""
    known = known_output(model)
    if known is None:
        known = Known(*_find_kind(model, width, task))
        note_output(model, known)
    return known.kind, known.outputs


def known_output(model: nn.Module) -> Known | None:
    """Return what was found of the outputs; None if nobody asked yet."""
    known: Known | None = model.__dict__.get(_MARK)
    return known


def note_output(model: nn.Module, known: Known) -> None:
    """Keep what was found on the module."""
    model.__dict__[_MARK] = known


def check_outputs(model: nn.Module, width: int, task: Task, classes: int) -> tuple[Kind, int]:
    """As `output_kind`, after a number of outputs that does not fit the task is refused."""
    kind, outputs = output_kind(model, width, task)
    checks.check_outputs("the torch module", outputs, task, classes)
    return kind, outputs


def set_mode(model: nn.Module, training: bool) -> None:
    """Training or evaluation mode, also for modules that replace ``train`` and ``eval``."""
    for module in model.modules():
        module.training = training


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while."""
    modes = [(module, module.training) for module in model.modules()]
    set_mode(model, training=False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _find_kind(model: nn.Module, width: int, task: Task) -> tuple[Kind, int]:
    rows = 256
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inputs = torch.randn(rows, width, device=device)
        out = model(inputs)
        if not isinstance(out, Tensor) or out.dim() > 2 or out.shape[0] != rows:
            shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ModelFileError(f"the torch module gives {shape} for {rows} events, not one tensor [events, classes]")
        outputs = 1 if out.dim() == 1 else int(out.shape[1])
        if task == "regression":
            return "value", outputs
        probes = [out, model(inputs * 1e3), *_enlarged(model, inputs)]
    inside = all(bool(((p >= 0) & (p <= 1)).all()) for p in probes)
    if outputs == 1 or not inside:
        return ("probability" if inside else "logits"), outputs
    normalised = all(torch.allclose(p.sum(dim=1), torch.ones_like(p[:, 0]), atol=1e-4) for p in probes)
    if not normalised and outputs > 2:
        raise ModelFileError(
            "the torch module's outputs lie in [0, 1] but do not sum to 1",
            hint="end it with softmax, or with no activation",
        )
    return ("probability" if normalised else "sigmoids"), outputs


def _enlarged(model: nn.Module, inputs: Tensor) -> list[Any]:
    """Outputs of a copy with large random parameters: only a bounded last step keeps these in [0, 1]."""
    try:
        other = copy.deepcopy(model)
    except Exception:  # a module that cannot be copied: the other probes must do
        return []
    for parameter in other.parameters():
        if parameter.is_floating_point():
            parameter.copy_(3 * torch.randn(parameter.shape))
    return [other(inputs)]


def takes_padding(model: nn.Module) -> bool:
    """True if a layer of the module is made for NaN and gets it first: a NaN in one column hides no other column."""
    layers = [part for part in model.modules() if getattr(part, "takes_missing", False) is True]
    if not layers:
        return False
    trial = copy.deepcopy(model).eval()
    width = cast("int", layers[0].in_features)
    rows = 10 * torch.randn((64, width), generator=torch.Generator().manual_seed(0))
    rows[:, 0] = torch.nan
    with torch.no_grad():
        try:
            found = torch.as_tensor(trial(rows)).reshape(len(rows), -1)
        except (RuntimeError, TypeError, ValueError):  # the columns come to another layer first
            return False
    return bool(torch.isfinite(found).all()) and (width == 1 or bool((found != found[0]).any()))
