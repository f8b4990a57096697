"""A framework called directly on arrays that are in memory: what a training by hand does, and no more.

``python benchmarks/streaming/direct.py FRAMEWORK FOLDER`` trains model_FRAMEWORK.py on the arrays in the folder and
prints the seconds that loading the arrays took, which are not the framework's.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def arrays(folder: Path) -> dict[str, Any]:
    """Columns, targets and weights of training and validation."""
    names = [f"{kind}_{part}" for part in ("train", "validation") for kind in ("x", "y", "weight")]
    return {name: np.load(folder / f"{name}.npy") for name in names}


def model_of(path: Path, width: int) -> Any:
    """What model(idim) of a file gives."""
    spec = importlib.util.spec_from_file_location("user_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.model(width)


def keras(model: Any, data: dict[str, Any], batch: int, epochs: int) -> None:
    """`fit` with validation."""
    validation = (data["x_validation"], data["y_validation"], data["weight_validation"])
    model.fit(
        data["x_train"], data["y_train"], sample_weight=data["weight_train"], batch_size=batch, epochs=epochs,
        validation_data=validation, verbose=0,
    )  # fmt: skip


def torch(model: Any, data: dict[str, Any], batch: int, epochs: int) -> None:
    """A loop with Adam and the weighted cross entropy, in a new order each epoch, with validation."""
    import torch as t

    tensors: dict[str, Any] = {name: t.from_numpy(values).float() for name, values in data.items()}
    optimiser = t.optim.Adam(model.parameters())

    def loss(x: Any, y: Any, weight: Any) -> Any:
        return (t.nn.functional.binary_cross_entropy(model(x)[:, 0], y, reduction="none") * weight).mean()

    for _ in range(epochs):
        model.train()
        order: Any = t.randperm(len(tensors["y_train"]))
        for chosen in order.split(batch):
            optimiser.zero_grad()
            loss(*(tensors[f"{kind}_train"][chosen] for kind in ("x", "y", "weight"))).backward()
            optimiser.step()
        model.eval()
        with t.no_grad():
            parts = [tensors[f"{kind}_validation"].split(batch) for kind in ("x", "y", "weight")]
            for some in zip(*parts, strict=True):
                loss(*some).item()


def main() -> None:
    """Load, build, fit."""
    framework, folder = sys.argv[1], Path(sys.argv[2])
    start = time.perf_counter()
    data = arrays(folder)
    loading = time.perf_counter() - start
    model = model_of(folder / f"model_{framework}.py", data["x_train"].shape[1])
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    {"keras": keras, "torch": torch}[framework](model, data, settings["batch"], settings["epochs"])
    print("result: " + json.dumps({"loading": loading}))


if __name__ == "__main__":
    main()
