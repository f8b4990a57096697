"""The same events as a TTree and as an RNTuple that is one cluster: 4 floats and a list, as uproot writes them."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from mlaas4hep.config.workflow import Workflow

__all__ = ["FORMATS", "LIMIT", "make", "workflow"]

FORMATS = ("TTree", "RNTuple")
LIMIT = "2 GiB"
"""Memory limit, an eighth of which may keep pages."""

_BASKET = 100_000
_FEW = 1000


def make(folder: Path, events: int) -> dict[str, list[Path]]:
    """For each format the file of so many events and one of a few of the other class; made once."""
    found = {}
    for name in FORMATS:
        found[name] = [folder / f"formats_{name}_{count}.root" for count in (events, _FEW)]
        for path, count in zip(found[name], (events, _FEW), strict=True):
            if not path.exists():
                part = path.with_suffix(".part")
                _write(part, name, count)
                part.rename(path)
    return found


def workflow(paths: list[str]) -> Workflow:
    """Every branch is a feature, lists of up to 8; nothing is kept between passes."""
    return Workflow.model_validate(
        {
            "name": "formats",
            "samples": [
                {"name": name, "files": [path], "label": name}
                for name, path in zip(("signal", "background"), paths, strict=True)
            ],
            "features": {"length": {"l": 8}, "normalisation": "standard"},
            "split": {"validation": 0.0, "test": 0.0},
            "training": {"model": "model.py", "signal": "signal"},
            "reading": {"memory_limit": LIMIT, "workers": 1},
        }
    )


def _write(path: Path, name: str, events: int) -> None:
    rng = np.random.default_rng(events)
    flat = {f"f{number}": rng.normal(size=events).astype(np.float32) for number in range(4)}
    counts = rng.poisson(2.0, events)
    lists = ak.unflatten(rng.exponential(size=counts.sum()).astype(np.float32), counts)
    with uproot.recreate(path, compression=uproot.ZSTD(1)) as file:
        if name == "RNTuple":
            file.mkrntuple("Events", {**flat, "l": lists})
            return
        tree = file.mktree("Events", {**dict.fromkeys(flat, "f4"), "l": "var * float32"})
        for start in range(0, events, _BASKET):
            some = slice(start, start + _BASKET)
            tree.extend({**{branch: values[some] for branch, values in flat.items()}, "l": lists[some]})
