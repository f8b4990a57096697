"""Trainings on members of objects, and on names that differ by a dot: what is trained is what is predicted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.support.cli import run

MODEL = Path(__file__).resolve().parents[1] / "models" / "hist_gradient_boosting.py"


def trained(folder: Path, first: Path, second: Path) -> tuple[Path, float]:
    """The bundle of a training of two files against each other, and its AUC on test events."""
    workflow = folder / "workflow.yaml"
    workflow.write_text(
        f"""
samples:
  - {{name: a, files: ["{first}"], label: 0}}
  - {{name: b, files: ["{second}"], label: 1}}
tree: Events
training: {{model: "{MODEL}"}}
""",
        encoding="utf-8",
    )
    done = run("train", workflow, "--fout", folder / "bundle")
    assert done.code == 0, done.err
    metrics = json.loads((folder / "bundle" / "metrics.json").read_text(encoding="utf-8"))
    return folder / "bundle", metrics["parts"]["test"]["unweighted"]["auc"]


def scores(bundle: Path, path: Path, output: Path) -> list[float]:
    assert run("predict", bundle, path, "-o", output).code == 0
    with output.open(encoding="utf-8", newline="") as file:
        return [float(row["score"]) for row in csv.DictReader(file)]


def test_members_of_objects(shared_data: Path, tmp_path: Path) -> None:
    """The energy of the vectors tells the two files apart, nothing else does."""
    paths = [shared_data / "faults" / "root" / name for name in ("lv_a.root", "lv_b.root")]
    bundle, auc = trained(tmp_path, *paths)
    assert auc > 0.9
    inputs = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["inputs"]
    assert [branch["name"] for branch in inputs] == ["p4_fP_fX", "p4_fP_fY", "p4_fP_fZ", "p4_fE", "pt"]
    first, second = (scores(bundle, path, tmp_path / f"{path.stem}.csv") for path in paths)
    assert len(first) == len(second) == 500
    assert sum(first) / 500 < 0.3
    assert sum(second) / 500 > 0.7


def test_the_order_of_branches_is_no_difference(shared_data: Path, tmp_path: Path) -> None:
    """Two files of the same content; taken for one another, the two branches would tell them apart for sure."""
    paths = [shared_data / "faults" / "root" / name for name in ("nm1.root", "nm2.root")]
    bundle, auc = trained(tmp_path, *paths)
    assert auc == pytest.approx(0.5, abs=0.3)
    first, second = (scores(bundle, path, tmp_path / f"{path.stem}.csv") for path in paths)
    assert first == second
