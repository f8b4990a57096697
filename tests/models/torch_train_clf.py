"""A PyTorch module with its training loop as the method train_clf."""

import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self, idim):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(idim, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return self.layers(x)

    def train_clf(self, model, train_loader, val_loader):
        criterion = nn.BCELoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        best, state = float("inf"), None
        for _epoch in range(8):
            model.train()
            for inputs, labels in train_loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                val = sum(criterion(model(inputs), labels).item() for inputs, labels in val_loader)
            if val < best:
                best, state = val, {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(state)
        return model


def model(idim):
    return Classifier(idim)
