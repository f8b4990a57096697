"""What executes models."""

from __future__ import annotations

from mlaas4hep.inference.runtimes.base import Runtime, Tensors, TensorSpec
from mlaas4hep.inference.runtimes.opening import open_runtime

__all__ = ["Runtime", "TensorSpec", "Tensors", "open_runtime"]
