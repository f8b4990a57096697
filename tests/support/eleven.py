"""All kinds of models users of the original have, trained on a few simulated events, and raw events to score."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import uproot
import yaml
from numpy.typing import NDArray

from tests.support.cli import run
from tests.support.serve_process import ROOT

__all__ = ["KINDS", "LENGTHS", "RawEvent", "Trained", "predicted", "raw_events", "train_all", "write_odd_events"]

KINDS = (
    "keras_mlp",
    "torch_mlp",
    "sklearn_mlp",
    "gradient_boosting",
    "ada_boost",
    "random_forest",
    "decision_tree",
    "k_neighbors",
    "svc",
    "logistic_regression",
    "xgb",
)
EPOCHS = {"keras_mlp": 2, "torch_mlp": 2, "sklearn_mlp": 5}
LENGTHS = {"Lepton_*": 2, "default": 3}
VARIABLES = {
    "mT": "sqrt(2 * Lepton_pt[0] * MET_pt * (1 - cos(Lepton_phi[0] - MET_phi)))",
    "Jet_logpt": "log(Jet_pt)",
}
IDENTIFIER = ("run", "luminosityBlock", "event")
NOT_GIVEN = {*IDENTIFIER, "genWeight", "weight"}
MODELS = ROOT / "tests" / "models"
SECONDS = 300

RawEvent = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """What the trainings left.

    Attributes:
        bundles: tar.gz files by kind.
        file: a ROOT file with events that no training saw as they are.
        events: the same events, branch by branch; missing values are None.
        expected: what ``mlaas4hep predict`` gives for the file, by kind; [N], NaN for events that the cuts remove.
    """

    bundles: dict[str, Path]
    file: Path
    events: list[RawEvent]
    expected: dict[str, NDArray[np.float64]]


def train_all(folder: Path, data: Path) -> Trained:
    """Train every kind; TensorFlow, which takes long to start, beside the others in a process of its own."""
    bundles = {kind: folder / f"{kind}.tar.gz" for kind in KINDS}
    arguments = {kind: _arguments(folder, data, kind) for kind in KINDS}
    keras = subprocess.Popen(
        [sys.executable, "-m", "mlaas4hep.cli.main", *arguments["keras_mlp"]],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for kind in KINDS[1:]:
            done = run(*arguments[kind])
            assert done.code == 0, done.err
        _, errors = keras.communicate(timeout=SECONDS)
        assert keras.returncode == 0, errors
    finally:
        if keras.poll() is None:
            keras.kill()
            keras.communicate()
    file = write_odd_events(folder / "odd.root", data / "ggH_tautau.root")
    expected = {kind: predicted(bundle, file, folder / f"{kind}.parquet") for kind, bundle in bundles.items()}
    return Trained(bundles, file, raw_events(file), expected)


def predicted(bundle: Path, file: Path, output: Path) -> NDArray[np.float64]:
    """The scores that ``mlaas4hep predict`` writes for a file."""
    done = run("predict", bundle, file, "-o", output, "--quiet")
    assert done.code == 0, done.err
    return np.asarray(pq.read_table(output)["score"].to_numpy(), dtype=np.float64)


def raw_events(file: Path) -> list[RawEvent]:
    """The events of a file as clients have them, without identifiers and weights; NaN becomes None."""
    with uproot.open(file) as opened:
        events = opened["Events"].arrays().to_list()
    counters = {f"n{name}" for name, value in events[0].items() if isinstance(value, list)}  # uproot writes them
    return [
        {name: _without_nan(value) for name, value in event.items() if name not in NOT_GIVEN | counters}
        for event in events
    ]


def write_odd_events(path: Path, source: Path, *, first: int = 5000, number: int = 24) -> Path:
    """Events of a file, some of them with missing values, without any jet, or with more jets than there are columns."""
    with uproot.open(source) as opened:
        tree = opened["Events"]
        types = {
            name: branch.typename.replace("[]", "") for name, branch in tree.items() if not name.startswith(("n", "N"))
        }
        jagged = {name for name, branch in tree.items() if branch.typename.endswith("[]")}
        events = tree.arrays(entry_start=first, entry_stop=first + number).to_list()
    events[3]["MET_pt"] = events[4]["HT"] = events[5]["MET_phi"] = float("nan")
    for name in jagged:
        if name.startswith("Jet_"):
            events[6][name] = []
        events[7][name] = [entry[0] for entry in (event[name] for event in events) if entry][:9]
    for name in ("Lepton_iso", "Jet_mass", "Jet_pt"):
        events[8][name] = [float("nan"), *events[8][name][1:]] if events[8][name] else []
    kinds = {"uint32_t": "uint32", "int32_t": "int32", "uint64_t": "uint64", "float": "float32"}
    columns: dict[str, Any] = {}
    for name, kind in types.items():
        values = [event[name] for event in events]
        dtype = kinds[kind]
        if name in jagged:
            counts = [len(entry) for entry in values]
            columns[name] = ak.unflatten(np.array([v for entry in values for v in entry], dtype=dtype), counts)
        else:
            columns[name] = np.array(values, dtype=dtype)
    declared = {
        name: f"var * {kinds[types[name]]}" if name in jagged else np.dtype(kinds[types[name]]) for name in columns
    }
    for name in ("nLepton", "nJet"):
        of = "Lepton_pt" if name == "nLepton" else "Jet_pt"
        columns[name] = np.array([len(event[of]) for event in events], dtype=np.int32)
        declared[name] = np.dtype("int32")
    with uproot.recreate(path) as file:
        file.mktree("Events", declared).extend(columns)
    return path


def _arguments(folder: Path, data: Path, kind: str) -> list[str]:
    samples = [("ggH", "ggH_tautau.root", "signal"), ("Z", "Z_tautau.root", "background")]
    workflow = {
        "name": kind,
        "samples": [{"name": name, "files": str(data / file), "label": label} for name, file, label in samples],
        "events": 400,
        "variables": VARIABLES,
        "selection": "any(Lepton_pt > 22)",
        "features": {"exclude": ["genWeight", "weight"], "length": LENGTHS},
        "training": {"model": str(MODELS / f"{kind}.py"), "signal": "signal", "threads": 1},
    }
    if kind in EPOCHS:
        workflow["training"] |= {"epochs": EPOCHS[kind]}  # type: ignore[operator]
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(workflow), encoding="utf-8")
    return ["train", str(path), "--fout", str(folder / f"{kind}.tar.gz"), "--quiet"]


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    return None if value != value else value  # noqa: PLR0124
