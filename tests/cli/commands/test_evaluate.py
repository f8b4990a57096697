"""`evaluate`: the quality of a bundle on other files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import uproot
from sklearn.metrics import roc_auc_score

from tests.support.cli import run
from tests.support.samples import columns, write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Work


@pytest.fixture
def other(work: Work) -> str:
    """Two files of other events than those of the training."""
    files = []
    for name in ("sig", "bkg"):
        path = work.data(f"other_{name}.root", **columns(400, signal=name == "sig", seed=2))
        files.append(str(path))
    return ",".join(files)


def test_figures_are_those_of_the_scores(work: Work, trained: Path, other: str) -> None:
    report = work.outputs / "report.html"
    arguments = ["--files", other, "--labels", "signal,background"]
    outcome = run("evaluate", trained, *arguments, "--json", "--report", report)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)["parts"]["data"]
    scores = work.outputs / "scores.root"
    assert run("predict", trained, *other.split(","), "-o", scores).code == 0
    with uproot.open(scores) as file:
        rows = file["scores"].arrays(library="np")
    kept = rows["selected"].astype(bool)
    weight = np.concatenate([columns(400, signal=signal, seed=2)["weight"] for signal in (True, False)])[kept]
    y = (rows["file"] == 0)[kept]
    score = rows["score"][kept]
    assert found["events"] == kept.sum()
    assert found["unweighted"]["auc"] == pytest.approx(roc_auc_score(y, score), abs=1e-9)
    assert found["weighted"]["auc"] == pytest.approx(roc_auc_score(y, score, sample_weight=weight), abs=1e-9)
    assert found["unweighted"]["accuracy"] == pytest.approx(np.mean((score >= 0.5) == y), abs=1e-9)
    assert "<html" in report.read_text()
    assert sorted(path.name for path in work.outputs.iterdir()) == ["report.html", "scores.root"]


def test_the_summary(trained: Path, other: str) -> None:
    outcome = run("evaluate", trained, "--files", other, "--labels", "signal,background")
    assert outcome.code == 0, outcome.err
    for word in ("small: binary, signal against background", "ROC AUC", "Accuracy"):
        assert word in outcome.out


def test_samples_of_a_yaml_file(work: Work, trained: Path, other: str) -> None:
    signal, background = other.split(",")
    samples = [
        {"name": "s", "files": signal, "label": "signal"},
        {"name": "b", "files": background, "label": "background"},
    ]
    workflow = work.yaml(samples=samples, training=None)[1]
    by_yaml = run("evaluate", trained, "--workflow", workflow, "--json", "--quiet")
    by_options = run("evaluate", trained, "--files", other, "--labels", "signal,background", "--json", "--quiet")
    assert by_yaml.code == 0, by_yaml.err
    assert json.loads(by_yaml.out) == json.loads(by_options.out)
    both = ["--workflow", workflow, "--files", other]
    work.refused("evaluate", trained, *both, says=["--workflow cannot be given together with --files"])


def test_labels_in_a_branch(work: Work, trained: Path) -> None:
    path = write_tree(work.inputs / "all.root", {**columns(400, signal=True, seed=2), "truth": np.arange(400) % 2})
    says = ["label ", "is not a class of the model", "its classes are background, signal"]
    work.refused("evaluate", trained, "--files", path, "--labels", "truth", says=says)


def test_bad_input(work: Work, trained: Path, other: str) -> None:
    first, label = other.split(",", maxsplit=1)[0], ["--labels", work.write("labels.txt", "signal\n")]
    evaluate = ["evaluate", str(trained)]
    work.refused(*evaluate, says=["no labelled files are given", "--files and --labels, or --workflow"])
    work.refused(*evaluate, "--files", first, "--labels", "signal,background", says=["--labels: 2 labels for 1 file"])
    work.refused(*evaluate, "--files", "gone.root", *label, says=["gone.root: no such file"])
    says = ["label tau is not a class of the model", "its classes are background, signal"]
    work.refused(*evaluate, "--files", first, "--labels", work.write("tau.txt", "tau\n"), says=says)
    path = work.data("poor.root", drop=["mass"])
    work.refused(*evaluate, "--files", path, *label, says=[f"{path}: no branch mass"])
    path = work.data("low.root", MET_pt=np.zeros(300, dtype=np.float32))
    outcome = work.refused(*evaluate, "--files", path, *label, says=["no event is left after the cuts"], only=False)
    assert "MET_pt > 5" in outcome.err
    place = work.inputs / "text" / "report.html"
    work.write("text", "a file")
    work.refused(*evaluate, "--files", first, *label, "--report", place, says=[f"{place}: a part of the path"])
