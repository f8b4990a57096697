"""The report page: what it shows, that it is well formed and self-contained, and that it never changes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from mlaas4hep.training.events.base import Task
from mlaas4hep.training.judging.text import with_error
from mlaas4hep.training.metrics import Part, evaluate
from mlaas4hep.training.report import ReportData, render_report

VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """Text, headings, figures, and whether every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.outside: list[str] = []
        self.captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
        self.svgs = re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL)
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in {"src", "href", "xlink:href"} and value and not value.startswith(("#", "data:")):
                self.outside.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def show(data: ReportData) -> Page:
    page = Page(render_report(data))
    for svg in page.svgs:
        ET.fromstring(svg)
    assert len(page.ids) == len(set(page.ids))
    assert page.outside == []
    return page


def test_full_page(full: ReportData) -> None:
    page = show(full)
    weighted = full.metrics["parts"]["test"]["weighted"]
    for text in (
        "Higgs <search>",
        "The weights <below zero> were kept.",
        "is left out: missing in every training event",
        with_error(weighted["auc"], weighted["auc_error"]),
        "sig (signal) against bkg",
        "(MET_pt > 20) & any(Jet_pt > 30)",
        "25.0%",
        "812.5",
        "431.5",
        "<script>alert(1)</script>",
        "data/a.root",
        "The figure shows the first 25 of 30.",
        "branch_29",
        "Drop in ROC AUC",
    ):
        assert text in page.text, text
    assert page.text.index("Please note") < page.text.index("Quality", page.text.index("Please note"))
    assert page.captions == [
        "ROC curve",
        "Purity against efficiency",
        "Efficiency and purity against the threshold",
        "AMS against the threshold",
        "Confusion matrix, weighted",
        "Confusion matrix, unweighted",
        "Score distribution, linear scale",
        "Score distribution, logarithmic scale",
        "Learning curve: loss",
        "Learning curve: auc",
    ]
    assert len(page.svgs) == 11


def test_same_input_same_bytes_and_no_date(full: ReportData) -> None:
    html = render_report(full)
    assert render_report(full) == html
    assert "Matplotlib" not in html
    assert "dc:date" not in html
    assert "<script" not in html


def test_matplotlib_settings_are_left_as_they_were(full: ReportData) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render_report(full)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("task", "captions", "words"),
    [
        (
            "multiclass",
            ["ROC, each class against all others", "Confusion matrix, unweighted", "Score of class ggH"],
            ["Classification into 3 classes: ggH, Z <&> $W$, ttbar", "ROC AUC, mean of classes (test)"],
        ),
        (
            "regression",
            ["Predicted against true values", "Residuals", "Bias and resolution"],
            ["Regression of mass [GeV]", "RMSE", "Resolution", "R²"],
        ),
    ],
)
def test_other_tasks(request: pytest.FixtureRequest, task: Task, captions: list[str], words: list[str]) -> None:
    data = request.getfixturevalue(f"{task}_report")
    page = show(data)
    assert page.captions[:3] == captions
    for word in words:
        assert word in page.text
    assert "weights" not in page.text.split("Each class")[0].split("Quality")[1] or task == "regression"


def test_other_files_only(full: ReportData) -> None:
    data = full.parts["test"]
    metrics = evaluate("binary", full.classes, {"data": data}, ams_threshold=0.6, replicas=20)
    page = show(ReportData("other files", "binary", full.classes, metrics, {"data": data}))
    assert "AMS (data)" in page.text
    assert "score ≥ 0.6" in page.text
    assert "The threshold was given" in page.text
    assert "training events" not in page.text.split("Scores")[-1]
    for name in ("Cutflow", "Learning", "Configuration", "Provenance", "Features", "Please note"):
        assert name not in page.text


def test_without_any_event() -> None:
    empty = Part(np.zeros(0, dtype=np.int64), np.zeros((0, 1), dtype=np.float32), np.zeros(0))
    metrics = evaluate("binary", ["a", "b"], {"test": empty})
    page = show(ReportData("nothing", "binary", ["a", "b"], metrics, {"test": empty}))
    assert "There are no events to draw." in page.text
    assert "ams: no weights are given" in page.text
    page = show(ReportData("bare", "regression", [], {}, {}))
    assert "bare" in page.text


@pytest.mark.parametrize("classes", [(0,), (1,)])
def test_one_class_negative_weights_and_equal_scores(classes: tuple[int, ...]) -> None:
    y = np.resize(np.array(classes), 20).astype(np.int64)
    part = Part(y, np.full((20, 1), 0.5, dtype=np.float32), np.full(20, -1.0))
    parts = {"train": part, "validation": part, "test": part}
    page = show(ReportData("odd", "binary", ["a", "b"], evaluate("binary", ["a", "b"], parts, replicas=5), parts))
    assert "it needs events of both classes" in page.text


def test_scores_that_are_not_finite(full: ReportData) -> None:
    part = full.parts["test"].rows
    scores = part.scores.copy()
    scores[0] = np.nan
    parts = {**full.parts, "test": Part(part.y, scores, part.weight)}
    metrics = evaluate("binary", full.classes, parts, replicas=5)
    page = show(replace(full, metrics=metrics, parts=parts))
    assert "no finite score for 1 of 200 events" in page.text
