"""PyTorch modules, with our training loop or the user's own (``train_clf``, ``torch_train``)."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.torch import MODEL_FILE
from mlaas4hep.frameworks.user_code.build import CODE_FILE
from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.backends.logits import shifts_along
from mlaas4hep.training.backends.passes import DEFAULT_EPOCHS
from mlaas4hep.training.backends.user_warnings import passed_on
from mlaas4hep.training.events.base import Events, Task
from mlaas4hep.training.events.outputs import Said

if TYPE_CHECKING:
    import onnx

__all__ = ["TorchBackend"]

_BLOCK = 8192


class TorchBackend:
    """A module gives [N], [N, 1] or [N, C]: probabilities, or logits.

    They are logits if any output leaves [0, 1] when inputs and parameters are made large. Training is on a GPU where
    there is one; the trained module is on the CPU.
    """

    name = "torch"
    networks = True

    def recognises(self, model: object) -> bool:
        """Return true for an instance of torch.nn.Module."""
        torch = sys.modules.get("torch")
        return torch is not None and hasattr(torch, "nn") and isinstance(model, torch.nn.Module)

    def seed(self, seed: int, threads: int | None) -> None:
        """Seed Python, numpy and torch, and set the number of threads."""
        import torch

        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        if threads is not None:
            torch.set_num_threads(threads)
        if threads == 1 and torch.cuda.is_available():
            torch.use_deterministic_algorithms(True, warn_only=True)

    def takes_missing(self, model: Any) -> bool:
        """Return true with a layer for padding that no NaN gets past; other networks turn NaN into NaN."""
        from mlaas4hep.training.backends.torch.outputs import takes_padding

        return takes_padding(model)

    def passes(self, model: Any, epochs: int | None, module: ModuleType | None) -> int | None:
        """Return the epochs; None for a loop of the user's own."""
        from mlaas4hep.training.backends.torch.own import own_loop

        return None if own_loop(model, module) else epochs or DEFAULT_EPOCHS

    def fit(self, model: Any, train: Events, validation: Events, settings: FitSettings) -> tuple[Any, History]:
        """Train with the user's own loop if there is one, else by epochs over batches.

        Our loop takes ``loss`` and ``optimizer`` of the module or of the user's file; without them Adam(1e-3) and the
        loss of the task: cross entropy of probabilities or logits, squared error for a regression.

        Raises:
            ModelFileError: outputs that do not fit the task, or the user's code raises.
        """
        from mlaas4hep.training.backends.torch.fit import fit

        with passed_on(settings.warn):
            self.seed(settings.seed, settings.threads)
            return fit(model, train, validation, settings)

    def predict(self, model: Any, x: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
        """Probabilities; logits go through sigmoid or softmax. Of two outputs in a binary task the second counts."""
        import torch

        from mlaas4hep.training.backends.torch.outputs import Scores, evaluating

        scores = Scores(model, x.shape[1], task)
        with evaluating(scores), torch.no_grad():
            blocks = [
                scores(torch.from_numpy(np.ascontiguousarray(x[start : start + _BLOCK]))).numpy()
                for start in range(0, len(x), _BLOCK)
            ]
        columns = 1 if task != "multiclass" else scores.outputs
        return np.concatenate(blocks) if blocks else np.zeros((0, columns), np.float32)

    def trial(self, model: Any, few: Events, settings: FitSettings) -> Any:
        """Return the module itself, untrained."""
        from mlaas4hep.training.backends.torch.outputs import check_outputs
        from mlaas4hep.training.user_code.user_model import user_errors

        with user_errors(settings.file, "the torch module cannot be called"):
            check_outputs(model, few.width, settings.task, settings.classes)
        return model

    def output(self, model: Any, task: Task) -> Said:
        """Decision values where the loss cuts elsewhere than at 0.5, as the hinge loss does."""
        from mlaas4hep.training.backends.torch.outputs import known_output

        known = known_output(model)
        if known is None or task == "regression":
            return Said()
        if known.kind == "logits":
            return Said(raw="sigmoid" if known.outputs == 1 else "softmax")
        return Said.cut_at(known.threshold)

    def takes_any_target(self, model: Any, width: int, settings: FitSettings) -> bool:
        """Return true if outputs of both signs are possible and the loss is one of the difference to the target."""
        from mlaas4hep.training.backends.torch.fit import loss_function
        from mlaas4hep.training.backends.torch.own import own_loop

        x = np.random.default_rng(0).normal(scale=10.0, size=(512, width)).astype(np.float32)
        raw = self.predict(model, x, settings.task)
        if not (raw < 0).any() or not (raw > 0).any() or own_loop(model, settings.module) is not None:
            return False
        return shifts_along(loss_function(model, settings, "value"))

    def save(self, model: Any, folder: Path, source: Path) -> None:
        """Write ``model.pt`` (the state_dict, loads with ``weights_only=True``) and the user's code as ``model.py``."""
        from mlaas4hep.training.backends.torch.fit import dump

        state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
        (folder / MODEL_FILE).write_bytes(dump(state))
        shutil.copyfile(source, folder / CODE_FILE)

    def to_onnx(self, model: Any, width: int, task: Task) -> onnx.ModelProto:
        """Convert with ``torch.onnx.export``."""
        from mlaas4hep.training.backends.torch.onnx import convert

        return convert(model, width, task)
