"""Losses and optimizers for torch modules: the user's, or the task's."""

from __future__ import annotations

import contextlib
import copy
import inspect
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.torch.outputs import Kind
from mlaas4hep.training.events.base import Task

__all__ = ["Loss", "make_optimizer", "targets"]

_EPSILON = 1e-7


class Loss:
    """The weighted loss of a batch, and whether weights count in it.

    A user's ``loss`` may be a torch loss (its reduction is then replaced), a function (output, target) that gives one
    number for each event or their mean, or a function (output, target, weight).
    """

    def __init__(
        self, model: nn.Module, module: ModuleType | None, kind: Kind, task: Task, warn: Callable[[str], None] | None
    ) -> None:
        self.kind = kind
        self.task = task
        self._warn = warn
        own: Any = getattr(model, "loss", None) or getattr(module, "loss", None)
        if isinstance(own, type):
            own = own()
        if isinstance(own, nn.Module) and hasattr(own, "reduction"):
            own = copy.deepcopy(own)
            own.reduction = "none"
        self._own = own if callable(own) else None
        self._one_hot: bool | None = None
        self._takes_weight = self._own is not None and _arguments(self._own) >= 3

    def __call__(self, output: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of weight x loss over the batch, and the sum of weight x loss."""
        target = targets(output, y, self.task)
        if self._one_hot is None:
            self._one_hot = self._wants_one_hot(output, target, weight)
        if self._one_hot:
            target = F.one_hot(target, output.shape[1]).to(output.dtype)
        if self._takes_weight and self._own is not None:
            mean: Tensor = self._own(output, target, weight)
        else:
            each = self._own(output, target) if self._own is not None else self._default(output, target)
            if each.dim() > 0:
                each = each.reshape(len(y), -1).mean(dim=1)
                return (each * weight).mean(), (each * weight).sum()
            mean = each
            if self._warn is not None and bool((weight != 1).any()):
                self._warn("the loss in the model file gives a mean: all events count the same in training")
                self._warn = None
        return mean, mean.detach() * weight.sum()

    @property
    def own(self) -> Any:
        """The user's loss; None if it is the task's."""
        return self._own

    def _wants_one_hot(self, output: Tensor, target: Tensor, weight: Tensor) -> bool:
        """True if the user's loss takes a column for each class, as BCELoss and MSELoss do, and no class indices."""
        if self._own is None or target.is_floating_point():
            return False
        rows = output.shape[1] + 2  # so many that a column cannot be taken for a row
        some, index, ones = output[:1].expand(rows, -1), target[:1].expand(rows), weight[:1].expand(rows)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            for wants, tried in ((False, index), (True, F.one_hot(index, output.shape[1]).to(output.dtype))):
                with contextlib.suppress(RuntimeError, ValueError, IndexError, TypeError):
                    self._own(*((some, tried, ones) if self._takes_weight else (some, tried)))
                    return wants
        return False

    def _default(self, output: Tensor, target: Tensor) -> Tensor:
        if self.task == "regression":
            return F.mse_loss(output, target, reduction="none")
        if output.dim() == 1 or output.shape[1] == 1:
            function = F.binary_cross_entropy if self.kind == "probability" else F.binary_cross_entropy_with_logits
            return function(output, target, reduction="none")
        if self.kind == "probability":
            return F.nll_loss(output.clamp_min(_EPSILON).log(), target, reduction="none")
        if self.kind == "sigmoids":
            return F.binary_cross_entropy(output, F.one_hot(target, output.shape[1]).to(output.dtype), reduction="none")
        return F.cross_entropy(output, target, reduction="none")


def targets(output: Tensor, y: Tensor, task: Task) -> Tensor:
    """Labels as the loss wants them: float in the shape of one output, class indices [N] for several outputs."""
    if task == "regression" or output.dim() == 1 or output.shape[1] == 1:
        return y.to(output.dtype).reshape(output.shape)
    return y.long()


def make_optimizer(model: nn.Module, module: ModuleType | None) -> torch.optim.Optimizer:
    """Return the user's ``optimizer`` (one, or a function of the parameters), else Adam with learning rate 1e-3."""
    own: Any = getattr(model, "optimizer", None) or getattr(module, "optimizer", None)
    if own is None:
        return torch.optim.Adam(model.parameters(), lr=1e-3)
    if isinstance(own, torch.optim.Optimizer):
        return own
    made = own(_parameters(model)) if callable(own) else None
    if not isinstance(made, torch.optim.Optimizer):
        raise ModelFileError(
            f"optimizer gives a {type(made).__name__}", hint="optimizer(parameters) must return a torch optimizer"
        )
    return made


def _parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    return model.parameters()


def _arguments(function: Any) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters)
