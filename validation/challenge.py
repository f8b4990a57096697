"""The ATLAS Higgs challenge from its CSV: XGBoost with -999 as missing and event weights.

``mlaas4hep train`` reads the CSV as it is published. Then the same model is trained directly, on columns that Python's
own csv module reads, with the same split; compared are the areas under the ROC curve of the test events. The area with
weights, with which the model is trained, has to be 0.88 at least, and the significance (AMS) has an error.

Writes ``validation/CHALLENGE.md``; exits with 1 if a figure is not as it has to be.

Example:
    python validation/challenge.py
"""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from datasets import ROOT, shared_data
from direct import TEST, TRAIN, read_split
from frameworks import load
from run import AUC_TOLERANCE, PARITY_TOLERANCE, WORK, area

RESULTS = ROOT / "validation" / "CHALLENGE.md"
NAME = "atlas-higgs-challenge-2014-v2.first12889.csv.gz"
MODEL = ROOT / "tests" / "models" / "xgb.py"
OTHERS = ("EventId", "Weight", "Label", "KaggleSet", "KaggleWeight")
LEAST = 0.88
EVENTS, PUBLISHED = 12_889, 818_238
"""Events in the file, and in the whole file as it is published, whose weights are those of the data of 2012."""


def train(path: Path, work: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train with the command line; manifest and metrics."""
    settings = {
        "samples": [{"name": "challenge", "files": str(path), "weight": PUBLISHED / EVENTS}],
        "label_branch": "Label",
        "identifier": ["EventId"],
        "weights": {"branch": "Weight"},
        "features": {"exclude": ["KaggleSet", "KaggleWeight"], "missing": [-999.0], "normalisation": "none"},
        "split": {"validation": 0.1, "test": 0.3},
        "training": {"model": str(MODEL), "signal": "s", "importance": 0},
    }
    (work / "workflow.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    options = ["--fout", str(work / "bundle"), "--split-out", str(work / "split.parquet"), "--quiet"]
    command = [sys.executable, "-m", "mlaas4hep.cli.main", "train", str(work / "workflow.yaml"), *options]
    subprocess.run(command, check=True, cwd=work, stdout=subprocess.DEVNULL)
    manifest, metrics = (json.loads((work / "bundle" / f"{name}.json").read_text()) for name in ("manifest", "metrics"))
    return manifest, metrics


def direct(path: Path, work: Path, columns: list[str]) -> tuple[float, float]:
    """Train the same model directly; the areas of the test events, weighted and unweighted."""
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    x = np.array([[float(row[name]) for name in columns] for row in rows], dtype=np.float32)
    x[x == -999.0] = np.nan
    y = np.array([row["Label"] == "s" for row in rows], dtype=np.int64)
    weight = np.array([float(row["Weight"]) for row in rows])
    events = read_split(work / "split.parquet")
    part = np.empty(len(rows), dtype=np.int64)
    part[events.entry] = events.part
    learn, test = part == TRAIN, part == TEST
    sums = np.bincount(y[learn], weight[learn])
    counts = weight * (weight[learn].sum() / 2 / sums)[y]  # the same sum for both classes
    counts *= learn.sum() / counts[learn].sum()
    np.random.seed(0)  # noqa: NPY002 - what scikit-learn draws from
    model = load(MODEL, x.shape[1])
    model.set_params(random_state=0)
    model.fit(x[learn], y[learn], sample_weight=counts[learn].astype(np.float32))
    scores = model.predict_proba(x[test])[:, 1]
    return area(y[test], scores, weight[test]), area(y[test], scores, np.ones(int(test.sum())))


def main() -> int:
    """Train twice, compare, write the page."""
    path = shared_data() / "higgs" / NAME
    work = WORK / "challenge"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    manifest, metrics = train(path, work)
    test = metrics["parts"]["test"]
    columns = manifest["features"]["columns"]
    weighted, plain = direct(path, work, columns)
    significance = metrics["ams"]
    ours = test["weighted"]["auc"]
    checks = {
        f"weighted AUC at least {LEAST}": ours >= LEAST,
        f"AUC as directly within {AUC_TOLERANCE}": abs(ours - weighted) <= AUC_TOLERANCE
        and abs(test["unweighted"]["auc"] - plain) <= AUC_TOLERANCE,
        "AMS has an error": bool(significance["error"] > 0.0),
        f"native as ONNX within {PARITY_TOLERANCE:g}": manifest["parity"]["max_abs_difference"] <= PARITY_TOLERANCE,
        "30 columns, none of them weight, label or number": len(columns) == 30 and not set(columns) & set(OTHERS),
    }
    RESULTS.write_text(page(metrics, manifest, (weighted, plain), checks), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))
    return 0 if all(checks.values()) else 1


def page(
    metrics: dict[str, Any], manifest: dict[str, Any], direct: tuple[float, float], checks: dict[str, bool]
) -> str:
    """The page of results."""
    test, found = metrics["parts"]["test"], metrics["ams"]
    best = f"{found['value']:.2f} ± {found['error']:.2f}, at a score of {found['threshold']:.3f}"
    good = [f"| {name} | {'yes' if passed else '**no**'} |" for name, passed in checks.items()]
    return f"""# The ATLAS Higgs challenge from its CSV

Made by `validation/challenge.py` on {datetime.now(UTC):%Y-%m-%d}: the first 12 889 events of the published file (CERN
Open Data record 328), as they are, gzipped. `Label` is the label, `Weight` the weight, times 818 238 / 12 889 for the
events that are left out; -999 means missing; 30 columns are features. The model is `tests/models/xgb.py`, trained with
the weights; 30 % of the events are the test.

| | with `mlaas4hep train` | XGBoost called directly |
|---|---|---|
| test events | {test["events"]} | {test["events"]} |
| AUC, weighted | {test["weighted"]["auc"]:.4f} | {direct[0]:.4f} |
| AUC, unweighted | {test["unweighted"]["auc"]:.4f} | {direct[1]:.4f} |
| native - ONNX | {manifest["parity"]["max_abs_difference"]:.1e} | |
| AMS (b_r = 10) | {best} | |

| must be | is |
|---|---|
{chr(10).join(good)}
"""


if __name__ == "__main__":
    sys.exit(main())
