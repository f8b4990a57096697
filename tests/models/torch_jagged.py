"""A network with the original's layer for padded branches, as its examples have it."""

import torch
from MLaaS4HEP.jarray.pytorch import JaggedArrayLinear


def model(idim):
    return torch.nn.Sequential(
        JaggedArrayLinear(idim, 5),
        torch.nn.ReLU(),
        torch.nn.Linear(5, 1),
    )
