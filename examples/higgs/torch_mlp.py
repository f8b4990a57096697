"""A network in PyTorch (extra ``torch``)."""

from torch import nn


def model(idim):
    """A network for ``idim`` feature columns; it is trained with binary cross-entropy and Adam."""
    return nn.Sequential(
        nn.Linear(idim, 64),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 1),
        nn.Sigmoid(),
    )
