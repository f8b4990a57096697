"""Training of torch modules: our loop, or the user's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.backends.logits import LossFunction, Reading, reading_of
from mlaas4hep.training.backends.loop import run_passes
from mlaas4hep.training.backends.passes import Pass
from mlaas4hep.training.backends.torch.loss import Loss, make_optimizer
from mlaas4hep.training.backends.torch.outputs import (
    Kind,
    Known,
    check_outputs,
    note_output,
    output_kind,
    set_mode,
)
from mlaas4hep.training.backends.torch.own import own_training
from mlaas4hep.training.events.base import Arrays, Events
from mlaas4hep.training.user_code.user_model import user_errors

__all__ = ["dump", "fit", "loss_function"]

_VALIDATION_BATCH = 8192
_WORTH_THREADS = 30_000_000  # parameters x events of a batch: about 10 ms of work on one core


def fit(model: nn.Module, train: Events, validation: Events, settings: FitSettings) -> tuple[nn.Module, History]:
    """Train, as described in `TorchBackend.fit`."""
    with user_errors(settings.file, "the torch module cannot be called"):
        kind, _ = check_outputs(model, train.width, settings.task, settings.classes)
    trained = own_training(model, train, validation, settings)
    if trained is not None:
        return trained
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    with user_errors(settings.file, "loss or optimizer of the model file failed"):
        kind = _read_outputs(model, train.width, settings, kind)
        loss = Loss(model, settings.module, kind, settings.task, settings.warn)
        optimizer = make_optimizer(model, settings.module)
    learner = _Learner(model, optimizer, loss, validation, settings, device)
    with _few_threads(model, settings, device):
        history = run_passes(learner, train, validation, settings)
    model.to("cpu")
    set_mode(model, training=False)
    return model, history


def loss_function(model: nn.Module, settings: FitSettings, kind: Kind) -> LossFunction:
    """Return the loss of one event, on the CPU."""
    loss = Loss(model, settings.module, kind, settings.task, None)

    def value(numbers: Any, y: float) -> float:
        output = torch.from_numpy(numbers[None].copy())
        label = torch.tensor([y if settings.task == "regression" else int(y)])
        with torch.no_grad():
            return float(loss(output, label, torch.ones(1))[0])

    return value


def _read_outputs(model: nn.Module, width: int, settings: FitSettings, kind: Kind) -> Kind:
    """How the user's loss reads the outputs, where there is one; what was found is kept on the module."""
    own = None if settings.task == "regression" else Loss(model, settings.module, kind, settings.task, None).own
    if own is None:
        return kind
    _, outputs = output_kind(model, width, settings.task)
    known_logits = isinstance(own, (nn.BCEWithLogitsLoss, nn.CrossEntropyLoss, nn.MultiLabelSoftMarginLoss))
    reading = Reading(True) if known_logits else reading_of(loss_function(model, settings, kind), outputs)
    if kind in ("probability", "sigmoids"):
        if reading.logits:
            settings.warn("the module's last layer already gives 0 to 1, and its loss takes logits: remove one of them")
            return kind
        note_output(model, Known(kind, outputs, reading.threshold))
        return kind
    if reading.logits or (outputs > 1 and isinstance(own, nn.NLLLoss)):
        return "logits"
    note_output(model, Known("value", outputs, reading.threshold))
    return "value"


@contextmanager
def _few_threads(model: nn.Module, settings: FitSettings, device: torch.device) -> Iterator[None]:
    """One thread for small networks on a CPU, unless the user chose: sharing the work takes longer than doing it."""
    before = torch.get_num_threads()
    work = sum(p.numel() for p in model.parameters()) * settings.batch_size
    if settings.threads is None and device.type == "cpu" and work < _WORTH_THREADS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def dump(state: Any) -> bytes:
    """Tensors and plain values as ``torch.save`` writes them; the same state gives the same bytes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@dataclass
class _Learner:
    """A torch module as the loop sees it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    validation: Events
    settings: FitSettings
    device: torch.device

    def learn(self, part: Pass) -> dict[str, float]:
        set_mode(self.model, training=True)
        steps = part.steps()
        every = max(1, steps // 20)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        weight_sum = 0.0
        done = 0
        for step, batch in enumerate(part.batches(), 1):
            x, y, weight = self._tensors(batch)
            with user_errors(self.settings.file, "the torch module cannot be trained"):
                self.optimizer.zero_grad()
                mean, summed = self.loss(self.model(x), y, weight)
                mean.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
            total += summed.detach()
            weight_sum += float(batch.weight.sum(dtype="float64"))
            done += len(batch)
            if step % every == 0 and step < steps:
                self.settings.progress(*part.place(done), {"loss": float(total) / (weight_sum or 1.0)})
        return {"loss": float(total) / (weight_sum or 1.0)}

    def validate(self) -> dict[str, float]:
        if self.validation.size == 0:
            return {}
        set_mode(self.model, training=False)
        total = weight_sum = 0.0
        with torch.no_grad():
            for batch in self.validation.batches(_VALIDATION_BATCH, 0):
                x, y, weight = self._tensors(batch)
                with user_errors(self.settings.file, "the torch module cannot be evaluated"):
                    total += float(self.loss(self.model(x), y, weight)[1])
                weight_sum += float(batch.weight.sum(dtype="float64"))
        return {"loss": total / (weight_sum or 1.0)}

    def state(self) -> bytes:
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state()
        return dump(state)

    def restore(self, state: bytes) -> None:
        loaded = torch.load(io.BytesIO(state), map_location=self.device, weights_only=True)
        try:
            self.model.load_state_dict(loaded["model"])
            self.optimizer.load_state_dict(loaded["optimizer"])
        except (RuntimeError, ValueError) as error:
            hint = "train without resuming"
            raise ModelFileError(
                "the checkpoint belongs to another model", where=self.settings.file, hint=hint
            ) from error
        torch.set_rng_state(loaded["random"].cpu())
        if "cuda" in loaded and self.device.type == "cuda":
            torch.cuda.set_rng_state(loaded["cuda"].cpu())

    def _tensors(self, batch: Arrays) -> tuple[Tensor, Tensor, Tensor]:
        x, y, weight = (torch.from_numpy(_owned(a)) for a in (batch.x, batch.y, batch.weight))
        return x.to(self.device), y.to(self.device), weight.to(self.device)


def _owned(array: Any) -> Any:
    """Torch warns of arrays that cannot be written to, e.g. of a memory map."""
    return array if array.flags.writeable and array.flags.c_contiguous else array.copy()
