"""A toy bundle with jagged branches: events, and their scores by ONNX Runtime on a matrix made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import onnxruntime
import uproot
from numpy.typing import NDArray

__all__ = ["COLUMNS", "FEATURES", "RECORDS", "toy_scores", "write_toy_events"]

NAN = float("nan")
COLUMNS: dict[str, list[Any]] = {
    "met": [40.0, 55.5, 70.25],
    "charge": [1.0, -1.0, 1.0],
    "Jet_pt": [[50.0, 40.5], [], [60.0, 50.0, 30.0, 25.0]],
    "Jet_eta": [[1.0, -2.0], [], [0.0, 0.5, 2.0, 2.25]],
}
RECORDS = [{name: column[index] for name, column in COLUMNS.items()} for index in range(3)]
FEATURES = np.array(
    [
        [40.0, 1.0, 50.0, 40.5, NAN, 1.0, -2.0, NAN],
        [55.5, -1.0, NAN, NAN, NAN, NAN, NAN, NAN],
        [70.25, 1.0, 60.0, 50.0, 30.0, 0.0, 0.5, 2.0],
    ],
    dtype=np.float32,
)
"""What a bundle of `tests.support.serving.make_bundle` makes of the events: three columns a jagged branch."""


def toy_scores(bundle: Path, features: NDArray[np.float32] = FEATURES) -> NDArray[np.float32]:
    """Scores [N, 1] of the bundle's ONNX model, called directly."""
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    return np.asarray(session.run(["scores"], {"features": features})[0], dtype=np.float32)


def write_toy_events(path: Path) -> Path:
    """The events as a ROOT file."""
    types: dict[str, Any] = {
        name: "var * float32" if name.startswith("Jet") else np.dtype(np.float32) for name in COLUMNS
    }
    columns = {
        name: ak.values_astype(ak.Array(column), np.float32) if name.startswith("Jet") else np.array(column, np.float32)
        for name, column in COLUMNS.items()
    }
    with uproot.recreate(path) as file:
        file.mktree("Events", types).extend(columns)
    return path
