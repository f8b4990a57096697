"""Compare the package with the same models called directly, on features built independently.

For each data set and model: train with ``mlaas4hep train`` and the original's files alone; take from it which event is
in which part; read the data again with uproot, compute features with numpy, train the same model file with its
framework; and compare both areas under the ROC curve on the test events, and native with ONNX predictions.

Writes ``validation/RESULTS.md``; exits with 1 if a row is out of tolerance. Finished rows stay in ``validation/work``.

Example:
    python validation/run.py --data pythia magic --models xgb torch_mlp
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from datasets import BATCH, DATASETS, MODELS, ROOT, Dataset, parameters, shared_data
from direct import TEST, Features, features, read_split
from frameworks import fit_and_score, takes_missing

WORK = ROOT / "validation" / "work"
RESULTS = ROOT / "validation" / "RESULTS.md"
AUC_TOLERANCE = 0.005
PARITY_TOLERANCE = 1e-4


class RowError(Exception):
    """A row could not be computed."""


def train(dataset: Dataset, folder: Path, model: Path, params: dict[str, Any], work: Path) -> None:
    """Run the package as a user would, with files in the original's form."""
    (work / "files.txt").write_text("".join(f"{folder / file}\n" for file in dataset.files))
    (work / "labels.txt").write_text("".join(f"{label}\n" for label in dataset.files.values()))
    (work / "params.json").write_text(json.dumps(params, indent=1))
    options = {
        "--files": work / "files.txt",
        "--labels": work / "labels.txt",
        "--model": model,
        "--params": work / "params.json",
        "--fout": work / "bundle",
        "--split-out": work / "split.parquet",
    }
    command = [
        sys.executable,
        "-m",
        "mlaas4hep.cli.main",
        "train",
        *(str(part) for pair in options.items() for part in pair),
    ]
    source = os.pathsep.join(part for part in (str(ROOT / "src"), os.environ.get("PYTHONPATH")) if part)
    environment = {**os.environ, "PYTHONPATH": source, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=work)
    (work / "train.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        last = done.stderr.strip().splitlines()
        raise RowError(f"train ended with {done.returncode}: {last[-1] if last else 'no message'}")


def area(y: Any, scores: Any, weight: Any) -> float:
    """Area under the ROC curve: the share of weight of (signal, background) pairs in the right order, ties half."""
    order = np.argsort(scores, kind="stable")
    y, scores, weight = y[order], scores[order], weight[order]
    edge = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    signal = np.add.reduceat(weight * (y == 1), edge)
    background = np.add.reduceat(weight * (y == 0), edge)
    below = np.cumsum(background) - background
    return float((signal * (below + background / 2.0)).sum() / (signal.sum() * background.sum()))


def check_columns(found: Features, manifest: dict[str, Any]) -> None:
    """Both sides must see the same columns, or there is nothing to compare."""
    theirs = tuple(manifest["features"]["columns"])
    if found.columns != theirs:
        different = sorted(set(found.columns) ^ set(theirs)) or "the same names in another order"
        raise RowError(f"feature columns differ: {different}")


def compute(dataset: Dataset, model: str, data: Path, seed: int, epochs: int) -> dict[str, Any]:
    """One row of the table."""
    work, folder = WORK / dataset.name / model, data / "root" / dataset.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    path = ROOT / "tests" / "models" / f"{model}.py"
    start = time.monotonic()
    train(dataset, folder, path, parameters(dataset, model, seed, epochs), work)
    seconds = time.monotonic() - start
    manifest = json.loads((work / "bundle" / "manifest.json").read_text())
    ours = json.loads((work / "bundle" / "metrics.json").read_text())["parts"]["test"]

    found = features(dataset, folder, read_split(work / "split.parquet"), nan=takes_missing(model))
    check_columns(found, manifest)
    scores = fit_and_score(path, found, weighted=dataset.weight is not None, epochs=epochs, batch_size=BATCH, seed=seed)
    test = found.part == TEST
    if ours["events"] != int(test.sum()):
        raise RowError(f"{ours['events']} test events in metrics.json, {int(test.sum())} in the exported split")
    kind = "weighted" if dataset.weight else "unweighted"
    weight = found.weight[test] if dataset.weight else np.ones(int(test.sum()))
    parity = manifest.get("parity") or {}
    row = {
        "data": dataset.name,
        "model": model,
        "train": int((found.part == 0).sum()),
        "test": int(test.sum()),
        "columns": len(found.columns),
        "auc": kind,
        "ours": ours[kind]["auc"],
        "direct": area(found.y[test], scores, weight),
        "parity": parity.get("max_abs_difference"),
        "served": manifest["served"],
        "reason": manifest.get("reason"),
        "seconds": round(seconds, 1),
        "seed": seed,
        "epochs": epochs,
    }
    (work / "row.json").write_text(json.dumps(row, indent=1))
    shutil.rmtree(work / "bundle", ignore_errors=True)
    return row


def passes(row: dict[str, Any]) -> bool:
    """True if both AUCs agree, and ONNX agrees with the native model or the manifest says why it is not served."""
    if "error" in row:
        return False
    parity = row["parity"] is not None and row["parity"] <= PARITY_TOLERANCE
    explained = row["served"] == "native" and bool(row["reason"])
    return abs(row["ours"] - row["direct"]) <= AUC_TOLERANCE and (parity or explained)


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    if "error" in row:
        return f"| {row['data']} | {row['model']} | | | | | | {row['error']} | **no** |"
    parity = "-" if row["parity"] is None else f"{row['parity']:.1e}"
    served = row["served"] if not row["reason"] else f"{row['served']}: {row['reason']}"
    events = f"{row['train']} / {row['test']}"
    return (
        f"| {row['data']} | {row['model']} | {events} | {row['ours']:.4f} | {row['direct']:.4f} | "
        f"{row['ours'] - row['direct']:+.4f} | {parity} | {served} | {'yes' if passes(row) else '**no**'} |"
    )


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The page."""
    packages = ("numpy", "scikit-learn", "xgboost-cpu", "keras", "tensorflow-cpu", "torch", "onnxruntime", "uproot")
    good = sum(map(passes, rows))
    names = ", ".join(f"{name} {_version(name)}" for name in packages)
    machine = f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores"
    head = f"""# Our training against the same model called directly

Each row trains a model file of `tests/models` twice on the same events: with `mlaas4hep train` from the original's
files alone, and directly with its framework on features that `validation/direct.py` computes with uproot and numpy.
Both see the same split, weights and seed. Compared is the area under the ROC curve on the test events (weighted for
pythia and htautau), which may differ by {AUC_TOLERANCE}, and our native and ONNX predictions, which may differ by
{PARITY_TOLERANCE:g}.

Made by `validation/run.py` on {datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, {machine}, no GPU;
{names}.

**{good} of {len(rows)} rows are within tolerance.**

| data | model | events train / test | AUC ours | AUC direct | difference | native - ONNX | served | good |
|---|---|---|---|---|---|---|---|---|
"""
    return head + "".join(f"{line(row)}\n" for row in rows)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see ``--help``."""
    parser = argparse.ArgumentParser(description="Compare the package with models called directly.")
    parser.add_argument("--data", nargs="+", choices=list(DATASETS), default=list(DATASETS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20, help="for Keras and PyTorch")
    parser.add_argument("--again", action="store_true", help="compute rows that are done already once more")
    options = parser.parse_args(arguments)
    data = shared_data()
    if not data.is_dir():
        parser.error(f"no test data at {data}; set MLAAS4HEP_TEST_DATA")
    rows: list[dict[str, Any]] = []
    for name in options.data:
        for model in options.models:
            done = WORK / name / model / "row.json"
            if done.exists() and not options.again:
                rows.append(json.loads(done.read_text()))
            else:
                try:
                    rows.append(compute(DATASETS[name], model, data, options.seed, options.epochs))
                except RowError as error:
                    rows.append({"data": name, "model": model, "error": str(error)})
            print(line(rows[-1]), flush=True)
    if options.data == list(DATASETS) and options.models == list(MODELS):
        RESULTS.write_text(report(rows))
        print(f"written: {RESULTS}")
    return 0 if all(map(passes, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
