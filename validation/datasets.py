"""The data sets of the comparison, and the parameters both sides are given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["BATCH", "DATASETS", "MODELS", "NETWORKS", "ROOT", "Dataset", "parameters", "shared_data"]

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Dataset:
    """Files with labels, and what a user would say about them.

    Attributes:
        name: folder below ``root/`` of the test data.
        tree: tree in the files.
        files: name of each file and its label.
        exclude: branches that are not features.
        weight: branch of the event weight, None to count all events the same.
        missing: value that means missing.
        length: columns for each jagged branch.
    """

    name: str
    tree: str
    files: dict[str, int]
    exclude: tuple[str, ...]
    weight: str | None = None
    missing: float | None = None
    length: int | None = None


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="pythia",
            tree="Events",
            files={"ggH_tautau.root": 1, "Z_tautau.root": 0, "W_lnu.root": 0, "ttbar.root": 0},
            exclude=("run", "luminosityBlock", "event", "genWeight"),
            weight="weight",
            length=4,
        ),
        Dataset(
            name="htautau",
            tree="Events",
            files={
                "GluGluToHToTauTauSkim.root": 1,
                "VBF_HToTauTauSkim.root": 1,
                "DYJetsToLLSkim.root": 0,
                "TTbarSkim.root": 0,
                "W1JetsToLNuSkim.root": 0,
                "W2JetsToLNuSkim.root": 0,
            },
            exclude=("run", "gen_match"),
            weight="weight",
            missing=-999.0,
        ),
        Dataset(
            name="heptutorial",
            tree="events",
            files={"single_top.root": 1, "ww.root": 0, "wz.root": 0},
            exclude=("EventWeight", "MC*"),
            length=3,
        ),
        Dataset(name="magic", tree="tree", files={"signal.root": 1, "background.root": 0}, exclude=("id",)),
    )
}

MODELS = (
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
"""Names of the files in ``tests/models``."""

BATCH = 256
"""Events a batch and a chunk. Unshuffled, every batch then holds each file in its proportion, in an order the
documentation defines, so that a network trained directly sees the same batches and only rounding is left."""

NETWORKS = ("keras_mlp", "torch_mlp")
SLOW = {"svc": 6000, "k_neighbors": 10_000}


def shared_data() -> Path:
    """Folder of the test data: ``MLAAS4HEP_TEST_DATA``, else beside the checkout."""
    return Path(os.environ.get("MLAAS4HEP_TEST_DATA", ROOT.parent / "shared" / "data"))


def parameters(dataset: Dataset, model: str, seed: int, epochs: int) -> dict[str, Any]:
    """The params.json of one row."""
    params: dict[str, Any] = {
        "branch": dataset.tree,
        "nevts": SLOW.get(model, -1),
        "chunk_size": BATCH,
        "identifier": "",
        "exclude_branches": list(dataset.exclude),
        "split": 0.2,
        "test": 0.3,
        "seed": seed,
        "shuffle": False,
        "batch_size": BATCH,
        "metrics": True,
    }
    if model in NETWORKS:
        params["epochs"] = epochs
    if dataset.weight:
        params["weight_branch"] = dataset.weight
    if dataset.missing is not None:
        params["missing"] = [dataset.missing]
    if dataset.length:
        params["length"] = {"default": dataset.length}
    return params
