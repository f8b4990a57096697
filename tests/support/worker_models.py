"""Folders of models that only a worker can serve: TorchScript with an operation that has no ONNX form."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.repository.served_json import ServedModel, write_served

__all__ = ["Bessel", "bessel", "script", "served_bessel"]


class Bessel(torch.nn.Module):
    """`x` [N, 3] to J0(x). A first value above 50 takes for ever, one below -50 all memory, one above 30 fails."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rows in, rows out."""
        size, steps = 1, 0
        if bool((x[0, 0] < -50).item()):
            size = 1_000_000_000_000
        while bool((x[0, 0] > 50).item()):
            steps += 1
        if bool((x[0, 0] > 30).item()):
            assert False, "too large"  # noqa: B011, PT015 - TorchScript's only way to fail
        result: torch.Tensor = torch.special.bessel_j0(x) + torch.zeros(size).sum()
        return result


def script(module: torch.nn.Module, path: Path) -> Path:
    """Write a module as TorchScript."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates its own format
        torch.jit.script(module).save(str(path))
    return path


def served_bessel(folder: Path) -> Path:
    """A version's folder, as a conversion leaves it."""
    script(Bessel(), folder / "original" / "model.pt")
    spec = TensorSpec("x", "float32", (-1, 3))
    out = TensorSpec("output", "float32", (-1, 3))
    served = ServedModel(
        "worker", "pytorch_libtorch", "TorchScript", "torchscript", "original/model.pt", (spec,), (out,), True
    )
    write_served(folder, served)
    return folder


def bessel(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """J0 by its integral, 1/pi times that of cos(x sin t) from 0 to pi."""
    t = (np.arange(2000) + 0.5) * np.pi / 2000
    return np.asarray(np.cos(x[..., None].astype(float) * np.sin(t)).mean(axis=-1))
