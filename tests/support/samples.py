"""Small ROOT files of signal and background, made by the test that needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

__all__ = ["columns", "write_tree"]


def columns(events: int = 300, *, signal: bool, seed: int = 1) -> dict[str, Any]:
    """Branches by name: identifiers, two flat ones, a jagged one with 0 to 3 values, a weight."""
    rng = np.random.default_rng([seed, signal])
    counts = rng.integers(0, 4, events)
    return {
        "run": np.ones(events, dtype=np.uint32),
        "luminosityBlock": np.full(events, 1 + signal, dtype=np.uint32),
        "event": np.arange(events, dtype=np.uint64),
        "mass": (rng.normal(125.0 if signal else 91.0, 15.0, events)).astype(np.float32),
        "MET_pt": rng.exponential(30.0, events).astype(np.float32),
        "Jet_pt": ak.unflatten(rng.exponential(40.0, counts.sum()).astype(np.float32), counts),
        "Jet_eta": ak.unflatten(rng.normal(0.0, 2.0, counts.sum()).astype(np.float32), counts),
        "weight": rng.uniform(0.5, 1.5, events).astype(np.float32),
    }


def write_tree(path: Path, branches: dict[str, Any], tree: str = "Events") -> Path:
    """Write a TTree."""
    types = {
        name: f"var * {ak.to_numpy(ak.flatten(values)).dtype}" if isinstance(values, ak.Array) else values.dtype
        for name, values in branches.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        file.mktree(tree, types).extend(branches)
    return path
