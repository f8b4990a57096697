"""Bad labels and weights: too few, of one class, no numbers, missing, jagged, negative."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from tests.cli.conftest import MODELS
from tests.support.cli import run
from tests.support.samples import columns

if TYPE_CHECKING:
    from tests.cli.conftest import Work

EVENTS = len(columns(signal=True)["event"])
TREE = str(MODELS / "decision_tree.py")


@pytest.mark.parametrize(
    ("labels", "says"),
    [("1,0,0", "3 labels for 2 files"), ("1", "1 label for 2 files")],
)
def test_labels_and_files_differ_in_number(work: Work, labels: str, says: str) -> None:
    work.refused(*work.legacy(labels=labels), says=[f"--labels: {says}", "give one label per file, in the same order"])
    listed = work.write("labels.txt", labels.replace(",", "\n"))
    work.refused(*work.legacy(labels=listed), says=[f"{listed}: {says}", "give one label per file"])


def test_a_list_without_labels(work: Work) -> None:
    listed = work.write("labels.txt", "# one a line\n")
    work.refused(*work.legacy(labels=listed), says=[f"{listed}: no label in it", "write one label per line"])
    work.refused(*work.legacy(labels="labels.txt"), says=["labels.txt: no such file"])


def test_one_class_only(work: Work) -> None:
    says = ["all files have the label 1: there is only one class", "files of at least two classes"]
    work.refused(*work.legacy(labels="1,1"), says=says)
    samples = [{"name": name, "files": f"{name}.root", "label": "sig"} for name in ("sig", "bkg")]
    work.refused(*work.yaml(samples=samples), says=["all files have the label 'sig': there is only one class"])


def test_one_class_only_in_a_branch(work: Work) -> None:
    for name in ("sig", "bkg"):
        work.data(f"{name}.root", signal=name == "sig", target=np.ones(EVENTS, dtype=np.int32))
    work.refused(*work.legacy(labels="target"), says=["only one class: every event has the label 1"])


def test_one_class_is_left_after_the_cuts(work: Work) -> None:
    arguments = work.legacy(selection="luminosityBlock == 2")
    outcome = work.refused(
        *arguments, says=["no event of class 0 is left after the cuts", "look at the cutflow"], only=False
    )
    assert "luminosityBlock == 2" in outcome.err


def test_a_class_without_events_in_a_part_of_the_split(work: Work) -> None:
    outcome = work.refused(*work.legacy(nevts=8, split=0.1, test=0.1), says=["class ", " has no event for "])
    assert "use more events, other shares of the split, or an identifier that tells events apart" in outcome.error


def test_a_name_where_regression_needs_a_number(work: Work) -> None:
    says = ["label 'background' is not a number, but the task is regression"]
    arguments = work.legacy(labels="3.5,background", task="regression")
    outcome = work.refused(*arguments, says=["bkg: ", *says, "give a number, or a label_branch that holds the target"])
    assert "Traceback" not in outcome.err


def test_a_branch_of_text_where_regression_needs_a_number(work: Work) -> None:
    import uproot

    for name in ("sig", "bkg"):
        with uproot.recreate(work.inputs / f"{name}.root") as file:
            file["Events"] = ak.Array({"x": np.arange(50.0) + (name == "sig"), "process": [name] * 50})
    arguments = work.yaml(label_branch="process", training={"model": TREE, "task": "regression"})
    work.refused(*arguments, says=["label branch process holds std::string, not numbers", "use a branch of numbers"])


def test_a_column_of_text_where_regression_needs_a_number(work: Work) -> None:
    path = work.write("data.csv", "x,quality\n" + "".join(f"{i},{'good' if i % 3 else 'bad'}\n" for i in range(60)))
    samples = [{"name": "data", "files": "data.csv"}]
    arguments = work.yaml(samples=samples, label_branch="quality", training={"model": TREE, "task": "regression"})
    says = [f"{path}: label 'bad' of entry 0 is not a number, but the task is regression", "use a branch of numbers"]
    work.refused(*arguments, says=says)


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_a_label_that_is_nan(work: Work, task: str) -> None:
    target = (np.arange(EVENTS) % 2).astype(np.float32)
    work.data("sig.root", signal=True, target=target)
    path = work.data("bkg.root", target=np.where(np.arange(EVENTS) == 200, np.nan, target))
    arguments = work.yaml(label_branch="target", training={"model": TREE, "task": task})
    work.refused(*arguments, says=[f"{path}: label of entry 200 is nan", "with the selection isfinite(target)"])


def test_a_number_to_learn_taken_for_a_class(work: Work) -> None:
    work.refused(*work.legacy(labels="mass"), says=["different labels", "set the task to regression"])
    says = ["label 0.5 is not a whole number", "set the task to regression, or use whole numbers or names"]
    work.refused(*work.legacy(labels="0.5,1"), says=says)


def test_a_label_branch_that_is_missing(work: Work) -> None:
    work.refused(*work.legacy(labels="mas"), says=[f"{work.inputs}", "no branch mas", "did you mean mass?"])
    work.data("sig.root", signal=True, target=np.ones(EVENTS, dtype=np.int32))
    work.refused(*work.legacy(labels="target"), says=[f"{work.inputs / 'bkg.root'}: no branch target"])


def test_a_jagged_label_branch(work: Work) -> None:
    outcome = work.refused(*work.legacy(labels="Jet_pt"), says=["label branch Jet_pt is jagged", "use a flat branch"])
    assert str(work.inputs) in outcome.error


def test_labels_given_twice(work: Work) -> None:
    says = ["params.json: label_branch: labels are given twice", "one label per file from --labels", "keep one"]
    work.refused(*work.legacy(label_branch="target"), says=says)


def test_a_signal_that_is_no_class(work: Work) -> None:
    work.refused(*work.legacy(signal=3), says=["signal 3 is not a class; the classes are 0, 1"])


def test_a_signal_in_quotes_is_the_number_it_holds(work: Work) -> None:
    outcome = run(*work.legacy(signal="0"))
    assert outcome.code == 0, outcome.err
    assert json.loads((work.fout / "manifest.json").read_text())["classes"] == ["1", "0"]


def test_an_identifier_that_is_the_same_for_all_events(work: Work) -> None:
    work.refused(*work.legacy(identifier="run"), says=["has no event for", "an identifier that tells events apart"])
    work.refused(*work.legacy(identifier="evnt"), says=["no branch evnt", "did you mean event?"])
    work.refused(*work.legacy(identifier="Jet_pt"), says=["a jagged branch cannot identify an event"])


def test_a_task_that_does_not_fit_the_labels(work: Work) -> None:
    work.data("more.root")
    samples = [
        {"name": name, "files": f"{name}.root", "label": label} for label, name in enumerate(("sig", "bkg", "third"))
    ]
    work.data("third.root", event=np.arange(EVENTS, dtype=np.uint64) + 1000)
    arguments = work.yaml(samples=samples, training={"model": TREE, "task": "binary"})
    work.refused(*arguments, says=["the task is binary, but there are 3 classes: 0, 1, 2"])


def test_a_weight_branch_that_is_missing(work: Work) -> None:
    says = ["no branch wieght", "did you mean weight"]
    work.refused(*work.legacy(weight_branch="wieght"), says=says)


def test_a_jagged_weight_branch(work: Work) -> None:
    says = ["weight branch Jet_pt is jagged", "use a flat branch"]
    work.refused(*work.legacy(weight_branch="Jet_pt"), says=says)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_no_number(work: Work, value: float) -> None:
    weight = np.ones(EVENTS, dtype=np.float32)
    weight[17] = value
    path = work.data("bkg.root", weight=weight)
    says = [
        f"{path}, branch weight: weight of entry 17 is {value}",
        "every event that passes the cuts needs a finite weight",
    ]
    work.refused(*work.legacy(weight_branch="weight"), says=says)


def test_negative_weights_where_they_are_an_error(work: Work) -> None:
    weight = np.ones(EVENTS, dtype=np.float32)
    weight[5] = -0.5
    path = work.data("bkg.root", weight=weight)
    settings: dict[str, Any] = {"branch": "weight", "negative": "error"}
    says = [f"{path}", "weight of entry 5 is negative (-0.5)", "to keep, abs or drop"]
    work.refused(*work.yaml(weights=settings), says=says)
    work.refused(*work.legacy(weight_branch="weight", negative_weights="error"), says=says)


def test_weights_that_cancel(work: Work) -> None:
    work.data("bkg.root", weight=np.where(np.arange(EVENTS) % 2, -1.0, 0.5).astype(np.float32))
    outcome = work.refused(*work.legacy(weight_branch="weight"), says=["the training weights of class 0 sum to -"])
    assert "set the policy for negative weights to abs or drop" in outcome.error
