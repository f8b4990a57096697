"""PyTorch."""

from __future__ import annotations

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK", "MODEL_FILE"]

MODEL_FILE = "model.pt"
"""How a bundle holds the weights of a model; ``model.py`` beside it builds the module."""


def _recognise(file: Peek) -> str | None:
    inner = {name.partition("/")[2] for name in file.members}
    if "archive_format" in inner or "serialized_exported_program.json" in file.members:
        return "torch_export"
    if "data.pkl" not in inner:
        return None
    if any(name.startswith("code/") for name in inner):
        return "torchscript"
    what = "a pickle of torch (a whole module or a state_dict) is never loaded: it can run any code"
    hint = "export the model with torch.export or torch.jit.script"
    raise ModelRefusedError(what, where=file.path.name, hint=hint)


_PT2 = "mlaas4hep.frameworks.torch.exported"

FRAMEWORK = Framework(
    name="torch",
    imports=("torch",),
    recognise=_recognise,
    formats=(
        ModelFormat("torchscript", "TorchScript", "TorchScript", "mlaas4hep.frameworks.torch.script", "torch"),
        ModelFormat("torch_export", "torch.export .pt2", "torch.export", _PT2, "torch", "sandboxed", confined=True),
    ),
    natives=(NativeFile(MODEL_FILE, "mlaas4hep.frameworks.torch.scoring:load_torch"),),
    backend="mlaas4hep.training.backends.torch.backend:TorchBackend",
    trained="torch.nn.Module",
    packages=("torch",),
)
