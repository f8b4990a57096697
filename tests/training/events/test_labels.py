"""From labels to classes and targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.config import Sample
from mlaas4hep.errors import LabelError
from mlaas4hep.training.events.base import Task
from mlaas4hep.training.events.labels import Labelling, check_labels, labelling


@pytest.mark.parametrize(
    ("found", "classes", "task"),
    [
        ([1, 0], (0, 1), "binary"),
        ([0.0, 1.0], (0, 1), "binary"),
        ([True, False], (0, 1), "binary"),
        ([5, -1], (-1, 5), "binary"),
        ([10, 9, 2], (2, 9, 10), "multiclass"),
        ([1, 1.0, 2, 0], (0, 1, 2), "multiclass"),
        (["b", "s"], ("b", "s"), "binary"),
        (["signal", "ttbar"], ("ttbar", "signal"), "binary"),
        (["Sig", "zz"], ("zz", "Sig"), "binary"),
        (["yes", "no"], ("no", "yes"), "binary"),
        (["s", "signal"], ("s", "signal"), "binary"),
        (["Z", "W", "H"], ("H", "W", "Z"), "multiclass"),
        (["0", 1], ("0", "1"), "binary"),
        (["bkg", 1, 1.0], ("bkg", "1"), "binary"),
        ([0.5, "b", 2], ("0.5", "2", "b"), "multiclass"),
    ],
)
def test_classes(found: list[Any], classes: tuple[Any, ...], task: Task) -> None:
    labels = labelling(found, None, None)
    assert (labels.task, labels.classes) == (task, classes)
    assert [type(label) for label in labels.classes] == [type(label) for label in classes]
    assert labels.names == tuple(str(label) for label in classes)
    assert {labels.index(label) for label in found} == set(range(len(classes)))


@pytest.mark.parametrize(
    ("found", "signal", "guessed"),
    [
        (["Higgs", "background"], "Higgs", False),
        (["Higgs", "bkg"], "Higgs", False),
        (["B", "zprime"], "zprime", False),
        (["ttH", "ttbar_background"], "ttH", False),
        (["A", "QCDBackground"], "A", False),
        (["signal_125", "zz"], "signal_125", False),
        (["HiggsSignal", "ZJetsBkg"], "HiggsSignal", False),
        (["false", "true"], "true", False),
        (["background", "signal region of background"], "signal region of background", False),
        (["Higgs", "ttbar"], "ttbar", True),
        (["s_channel", "t_channel"], "t_channel", True),
        (["0", "1"], "1", False),
        ([11, 13], 13, False),
    ],
)
def test_names_of_signal_and_background_are_known_and_a_guess_is_told(
    found: list[Any], signal: Any, guessed: bool
) -> None:
    for order in (found, found[::-1]):
        labels = labelling(order, None, None)
        assert (labels.classes[1], labels.guessed) == (signal, guessed)
    assert not labelling(found, None, found[0]).guessed


@pytest.mark.parametrize(
    ("found", "signal", "last"),
    [
        ([0, 1], 0, 0),
        ([0, 1], 0.0, 0),
        (["a", "b"], "a", "a"),
        (["b", "s"], "b", "b"),
        (["1", "x"], 1, "1"),
        ([0, 1], "0", 0),
    ],
)
def test_signal_by_wish(found: list[Any], signal: Any, last: Any) -> None:
    labels = labelling(found, None, signal)
    assert labels.classes[1] == last
    assert labels.index(last) == 1


def test_two_classes_as_multiclass() -> None:
    assert labelling([1, 0], "multiclass", None) == Labelling("multiclass", (0, 1))


@pytest.mark.parametrize(
    ("found", "task", "signal", "message"),
    [
        ([0, math.nan], None, None, r"some events have no label \(NaN\)"),
        ([3], None, None, "only one class: every event has the label 3"),
        ([1, 1.0, True], None, None, "only one class"),
        (["1", 1], None, None, "only one class"),
        ([0.5, 1], None, None, "label 0.5 is not a whole number; set the task to regression"),
        ([math.inf, 1], None, None, "label inf is not a whole number"),
        ([0, 1, 2], "binary", None, "the task is binary, but there are 3 classes: 0, 1, 2"),
        (["a", "b"], None, "c", "signal c is not a class; the classes are a, b"),
        (["a", "b", "c"], None, "a", "signal 'a' is given, but the task is multiclass: a, b, c"),
        (list(range(101)), None, None, "101 different labels; set the task to regression"),
    ],
)
def test_labels_that_do_not_work(found: list[Any], task: Task | None, signal: Any, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        labelling(found, task, signal)


@given(st.lists(st.sampled_from([0, 1, 2, 7]), min_size=1, max_size=40))
def test_targets_are_class_indices(values: list[int]) -> None:
    labels = labelling([0, 1, 2, 7], None, None)
    for dtype in ("i8", "u1", "f4", "f8"):
        found = labels.target(np.array(values, dtype=dtype))
        assert found.dtype == np.int64
        assert found.tolist() == [[0, 1, 2, 7].index(value) for value in values]


def test_targets_of_text_and_booleans() -> None:
    assert labelling(["s", "b"], None, None).target(np.array(["b", "s", "s"])).tolist() == [0, 1, 1]
    assert labelling([True, False], None, None).target(np.array([True, False])).tolist() == [1, 0]
    assert labelling(["s", "b"], None, None).target(np.full(2, "s")).tolist() == [1, 1]
    assert labelling([0, 1], None, None).target(np.array([], dtype="i4")).tolist() == []
    mixed = labelling(["bkg", 1], None, None)
    assert mixed.target(np.full(2, 1)).tolist() == [1, 1]
    assert mixed.target(np.full(2, "bkg")).tolist() == [0, 0]


def test_a_label_the_model_does_not_know() -> None:
    labels = Labelling("binary", ("b", "s"), text=True)
    with pytest.raises(LabelError, match="label x is not a class of the model; its classes are b, s"):
        labels.target(np.array(["s", "x"]))


def test_regression_targets() -> None:
    labels = labelling([None], "regression", None)
    assert labels == Labelling("regression", ())
    found = labels.target(np.array([1, 2, -3], dtype=np.int16))
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, 2.0, -3.0]
    assert labels.target(np.array(["1.5"])).tolist() == [1.5]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1.5", "many"], "a label is not a number, but the task is regression"),
        ([1.0, math.nan], "a regression target is NaN or infinite"),
        ([1.0, math.inf], "a regression target is NaN or infinite"),
    ],
)
def test_targets_that_are_no_numbers(values: list[Any], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        labelling([None], "regression", None).target(np.array(values))


def samples(*labels: Any) -> list[Sample]:
    return [Sample(name=f"s{i}", files=(f"{i}.root",), label=label) for i, label in enumerate(labels)]


def test_labels_are_checked_before_anything_is_read() -> None:
    check_labels(samples(0, 1), None, None)
    check_labels(samples(None, None), "kind", None)
    check_labels(samples(1, 1), "kind", None)
    check_labels(samples(1.5, 1.5), None, "regression")
    with pytest.raises(LabelError, match="all files have the label 1: there is only one class"):
        check_labels(samples(1, 1), None, None)
    with pytest.raises(LabelError, match=r"s1: label 'b' is not a number, but the task is regression"):
        check_labels(samples(1.0, "b"), None, "regression")
