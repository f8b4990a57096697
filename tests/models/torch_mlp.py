"""A multi-layer perceptron in PyTorch that ends in a sigmoid."""

import torch


def model(idim):
    return torch.nn.Sequential(
        torch.nn.Linear(idim, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 16),
        torch.nn.ReLU(),
        torch.nn.Linear(16, 1),
        torch.nn.Sigmoid(),
    )
