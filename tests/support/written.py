"""Small samples of events: as plain Python, and written to ROOT files and tables."""

from __future__ import annotations

import csv
import math
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import uproot

from mlaas4hep.config.workflow import Workflow

__all__ = [
    "TYPES",
    "Event",
    "make_events",
    "model_file",
    "workflow_of",
    "write_csv",
    "write_rntuple",
    "write_ttree",
]

Event: TypeAlias = dict[str, Any]

TYPES: dict[str, Any] = {
    "run": np.int32,
    "luminosityBlock": np.uint32,
    "event": np.uint64,
    "met": np.float64,
    "charge": np.int16,
    "flag": np.bool_,
    "cells": np.dtype((np.float32, (3,))),
    "Jet_pt": "var * float32",
    "Jet_eta": "var * float32",
    "w": np.float64,
    "target": np.float32,
}


def make_events(size: int, *, seed: int, signal: bool, run: int = 1, odd: bool = True) -> list[Event]:
    """Events whose signal has more and harder jets; with ``odd`` some values are NaN, infinite or -999."""
    rng = np.random.default_rng(seed)
    events: list[Event] = []
    for number in range(size):
        jets = int(rng.poisson(2.0 if signal else 1.0))
        met = float(rng.exponential(60.0 if signal else 30.0))
        pts = [float(np.float32(rng.exponential(50.0 if signal else 35.0) + 20.0)) for _ in range(jets)]
        target = float(np.float32(len(pts) + 0.01 * sum(pts)))
        if odd and number % 17 == 3:
            met = math.nan
        if odd and number % 29 == 5:
            met = math.inf
        if odd and number % 13 == 4 and pts:
            pts[0] = -999.0
        events.append(
            {
                "run": run,
                "luminosityBlock": number // 10,
                "event": 1000 * seed + number,
                "met": met,
                "charge": int(rng.integers(-1, 2)),
                "flag": bool(rng.random() < 0.3),
                "cells": [float(np.float32(value)) for value in rng.normal(1.0 if signal else 0.0, 1.0, 3)],
                "Jet_pt": pts,
                "Jet_eta": [float(np.float32(value)) for value in rng.normal(0.0, 1.5, jets)],
                "w": float(rng.uniform(0.5, 1.5)) * (-1.0 if odd and number % 19 == 7 else 1.0),
                "target": target,
            }
        )
    return events


def write_ttree(
    path: Path,
    events: Sequence[Event],
    *,
    names: Sequence[str] | None = None,
    types: Mapping[str, Any] | None = None,
    extra: Mapping[str, Sequence[str]] | None = None,
    tree: str = "Events",
    cluster: int = 40,
) -> Path:
    """A TTree whose baskets hold ``cluster`` entries; the file's UUID follows from its name and events.

    Args:
        path: the file.
        events: one dict an entry.
        names: the branches, in order; default: those in `TYPES` and in ``types``.
        types: for branches that are not in `TYPES`, or of another type.
        extra: branches of text.
        tree: name of the tree.
        cluster: entries that are written at a time.
    """
    known = {**TYPES, **(types or {})}
    kinds = {name: known[name] for name in names or known}
    texts = dict(extra or {})
    with uproot.recreate(path, uuid_function=lambda: _identity(path, events, kinds)) as file:
        target = file.mktree(tree, {**kinds, **dict.fromkeys(texts, "string")})
        for start in range(0, len(events), cluster):
            block = events[start : start + cluster]
            columns = {name: _column([event[name] for event in block], kind) for name, kind in kinds.items()}
            target.extend({**columns, **{name: list(text[start : start + cluster]) for name, text in texts.items()}})
    return path


def write_rntuple(path: Path, events: Sequence[Event], *, names: Sequence[str] | None = None) -> Path:
    """The same events as an RNTuple."""
    kinds = {name: TYPES[name] for name in names or TYPES}
    with uproot.recreate(path, uuid_function=lambda: _identity(path, events, kinds)) as file:
        file["Events"] = {name: _column([event[name] for event in events], kind) for name, kind in kinds.items()}
    return path


def write_csv(path: Path, events: Sequence[Event], names: Sequence[str]) -> Path:
    """Flat branches as a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([event[name] for name in names] for event in events)
    return path


def model_file(folder: Path, expression: str, imports: str, name: str = "model.py") -> Path:
    """A user's model file whose ``model()`` returns an expression."""
    path = folder / name
    path.write_text(f"{imports}\n\n\ndef model():\n    return {expression}\n", encoding="utf-8")
    return path


def workflow_of(files: Mapping[str, tuple[Path, Any]], **settings: Any) -> Workflow:
    """A workflow of one file a sample: name to (path, label)."""
    samples = [
        {"name": name, "files": str(path)} | ({} if label is None else {"label": label})
        for name, (path, label) in files.items()
    ]
    return Workflow.model_validate({"samples": samples, **settings})


def _identity(path: Path, events: Sequence[Event], kinds: Mapping[str, Any]) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{path.stem}:{len(events)}:{list(kinds)}:{list(events[:1])}")


def _column(values: Sequence[Any], kind: Any) -> Any:
    if isinstance(kind, str) and kind.startswith("var * "):
        return ak.values_astype(ak.Array([*values, [0.0]])[:-1], kind.removeprefix("var * "))
    return np.array(values, dtype=kind.base if isinstance(kind, np.dtype) else kind)
