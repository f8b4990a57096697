"""A PyTorch module as published for the original: torch_train is a method that speaks of self.model, train() and eval()
are replaced and return nothing."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, idim):
        super().__init__()
        self.hidden = nn.ModuleList([nn.Linear(idim, 32), nn.Linear(32, 16)])
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(16, 1)
        self.inference_mode = True

    def forward(self, x):
        if not isinstance(x, torch.Tensor):
            x = torch.Tensor(x)
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return torch.sigmoid(self.last(self.drop(x)))

    def train(self, mode=True):
        super().train()
        self.inference_mode = False

    def eval(self):
        super().eval()
        self.inference_mode = True

    def torch_train(self, model, train_loader, val_loader):
        criterion = nn.BCELoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        self.model.train()
        for _epoch in range(6):
            for xs, ys in train_loader:
                optimizer.zero_grad()
                loss = criterion(model(xs), ys)
                loss.backward()
                optimizer.step()


def model(idim):
    return Net(idim)
