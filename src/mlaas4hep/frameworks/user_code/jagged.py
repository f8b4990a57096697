"""A linear layer to which padding contributes nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["JaggedArrayLinear"]


class JaggedArrayLinear(nn.Linear):
    """A linear layer over columns in which NaN marks padding and missing values.

    Args:
        in_features: number of columns.
        out_features: number of outputs.
        bias: add one.
        verbose: accepted; nothing is printed.
    """

    takes_missing = True

    def __init__(self, in_features: int, out_features: int, bias: bool = True, verbose: int = 0) -> None:
        del verbose
        super().__init__(in_features, out_features, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return outputs float [N, out_features] of columns [N, in_features]."""
        return super().forward(torch.where(torch.isnan(input), torch.zeros_like(input), input))
