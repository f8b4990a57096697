"""What executes models."""

from __future__ import annotations

from mlaas4hep.frameworks.tensors import Runtime, Tensors, TensorSpec
from mlaas4hep.inference.execution.opening import open_runtime

__all__ = ["Runtime", "TensorSpec", "Tensors", "open_runtime"]
