"""The closing summary, and the numbers in it."""

from __future__ import annotations

import numpy as np
import pytest

from mlaas4hep.training.judging import text as _format
from mlaas4hep.training.judging.summary import _words, render_summary
from mlaas4hep.training.metrics import Part, evaluate


def part(events: int, weight: float = 1.0) -> Part:
    y = np.arange(events) % 2
    scores = (0.2 + 0.4 * y + 0.2 * (np.arange(events) % 3 == 0)).astype(np.float32)[:, None]
    return Part(y, scores, np.full(events, weight))


def test_weighted_binary() -> None:
    parts = {"train": part(600, 0.5), "validation": part(200, 0.5), "test": part(200, 0.5)}
    metrics = evaluate("binary", ["Z", "H"], parts, replicas=20)
    text = render_summary("higgs", metrics, warnings=["look here"], bundle="out/higgs", report="out/report.html")
    lines = text.splitlines()
    assert lines[0] == "higgs: binary, H (signal) against Z"
    assert lines[2].split() == ["events", "(weights)", "train", "validation", "test"]
    assert lines[3].split() == ["Z", "300", "(150.0)", "100", "(50.00)", "100", "(50.00)"]
    assert "H (signal)" in lines[4]
    auc = _format.figure(metrics["parts"]["test"]["weighted"], "auc").split()[-1]
    row = next(line for line in lines if line.startswith("ROC AUC"))
    assert row.split()[-1] == auc
    assert any(line.startswith("AMS (test): ") and "chosen on validation" in line for line in lines)
    assert "look here" not in text  # it was shown when it came up
    assert any("1 warning above" in line and "report" in line for line in lines)
    assert lines[-2:] == ["bundle  out/higgs", "report  out/report.html"]


def test_evaluation_without_threshold() -> None:
    metrics = evaluate("binary", ["Z", "H"], {"data": part(100, 0.5)})
    text = render_summary("other", metrics)
    assert "AMS (data): undefined" in text
    assert "weighted" in text
    assert "warning: AMS threshold is undefined: the AMS is not defined" in text


def test_regression() -> None:
    y = np.linspace(0, 1, 50, dtype=np.float32)
    metrics = evaluate("regression", [], {"test": Part(y, y[:, None] + np.float32(0.5), np.ones(50))})
    text = render_summary("energy", metrics)
    assert text.startswith("energy: regression\n")
    assert next(line for line in text.splitlines() if line.startswith("Bias")).split() == ["Bias", "0.5000"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.123456, "0.1235"),
        (-12.3456, "-12.35"),
        (2116.4, "2,116"),
        (1234567.0, "1,234,567"),
        (1e-5, "1.000e-05"),
        (5e12, "5.000e+12"),
        (None, "-"),
        (float("nan"), "-"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert _format.number(value) == text


def test_other_formats() -> None:
    assert _format.count(1234567) == "1,234,567"
    assert _format.count(12.5) == "12.50"
    assert _format.count(None) == "-"
    assert _format.with_error(3.14159, 0.0234) == "3.142 ± 0.023"
    assert _format.with_error(3.14159, 12.0) == "3 ± 12"
    assert _format.with_error(3.14159, None) == "3.14"
    assert _format.with_error(1e-12, 1e-13) == "1.000e-12 ± 1.0e-13"
    assert _format.short(None) == "-"
    assert _format.short(10.0) == "10"
    assert _format.main_part([]) is None
    assert _format.main_part(["train", "validation"]) == "validation"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("parts.test.weighted.auc", "weighted AUC of test"),
        ("parts.data", "a score of data"),
        ("ams.threshold", "AMS threshold"),
        ("ams", "AMS"),
    ],
)
def test_keys_of_the_metrics_in_words(path: str, words: str) -> None:
    assert _words(path) == words
