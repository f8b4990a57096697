"""Distributions and correlations of the inputs, ROC curves of samples: what is shown, and how much at most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.training.metrics import Part
from mlaas4hep.training.report import ReportData, render_report
from mlaas4hep.training.report.binary import roc_of_samples_svg
from mlaas4hep.training.report.inputs import correlation, correlation_svg, inputs_of, inputs_svg


def layout(branches: int, jagged: tuple[int, ...] = ()) -> Layout:
    return Layout(
        tuple(
            FeatureBranch(f"b{i}", "jagged" if i in jagged else "flat", 3 if i in jagged else 1, 0.0, 1.0, 0.0, -1.0)
            for i in range(branches)
        ),
        missing=(-999.0,),
    )


def test_correlation_is_that_of_numpy_with_weights_and_missing_values() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 4)).astype(np.float32)
    values[:, 1] += 2.0 * values[:, 0] + 1000.0
    values[rng.random(500) < 0.2, 2] = np.nan
    values[:, 3] = 5.0
    weight = rng.exponential(1.0, 500)
    found = correlation(values, weight)
    for a in range(3):
        for b in range(3):
            both = np.isfinite(values[:, a]) & np.isfinite(values[:, b])
            covariance = np.cov(values[both, a].astype(float), values[both, b].astype(float), aweights=weight[both])
            expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
            assert found[a, b] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(found[3]).all()


def test_the_most_important_branches_come_first_and_the_rest_is_left_out() -> None:
    raw = np.arange(44, dtype=np.float32).reshape(2, 22)
    raw[0, 9] = -999.0
    found = inputs_of(raw, np.array([0, 1]), np.ones(2), layout(20, jagged=(5,)), ["b7", "b5"])
    assert found.names[:4] == ("b7", "b5[0]", "b0", "b1")
    assert len(found.names) == 12
    assert found.values[1, :2].tolist() == [31.0, 27.0]
    assert np.isnan(found.values[0, 0])


def samples() -> dict[str, Part]:
    rng = np.random.default_rng(1)

    def part(label: int, shift: float) -> Part:
        scores = 1.0 / (1.0 + np.exp(-rng.normal(shift, 1.0, 300)))
        return Part(np.full(300, label), scores.astype(np.float32)[:, None], rng.uniform(0.5, 1.5, 300))

    return {"ggH": part(1, 1.0), "Z": part(0, 0.5), "W": part(0, -1.0)}


def test_one_roc_curve_for_each_background_sample() -> None:
    given = samples()
    assert roc_of_samples_svg(given, "test", "H", weighted=True).startswith("<svg")
    assert roc_of_samples_svg({name: given[name] for name in ("ggH", "Z")}, "test", "H", weighted=True) == ""
    assert roc_of_samples_svg({}, "test", "H", weighted=True) == ""


def test_page_with_many_branches_stays_small_and_self_contained(full: ReportData) -> None:
    rng = np.random.default_rng(2)
    raw = rng.normal(size=(200, 3000)).astype(np.float32)
    inputs = inputs_of(raw, rng.integers(0, 2, 200), np.ones(200), layout(3000), [])
    html = render_report(replace(full, inputs=inputs, samples=samples()))
    assert "ROC curve against each background sample" in html
    assert "Correlation in per cent, sig" in html
    assert "200 test events; each class has unit area" in html
    assert len(html) - len(render_report(full)) < 700_000
    assert inputs_svg(inputs, full.classes) == inputs_svg(inputs, full.classes)


def test_the_axis_of_a_learning_curve_is_named_after_the_step(full: ReportData) -> None:
    boosted = replace(full, curves={"loss": [0.7, 0.6]}, step="boosting round")
    assert "Boosting round" in render_report(boosted)
    assert "Epoch" not in render_report(boosted)


def test_a_single_value_has_no_learning_curve(full: ReportData) -> None:
    html = render_report(replace(full, curves={"loss": [0.7], "val_loss": [0.6], "auc": [0.5, 0.6]}))
    assert "Learning curve: loss" not in html
    assert "Learning curve: auc" in html


@pytest.mark.parametrize("classes", [(), ("a", "b"), ("a", "b", "c")])
@pytest.mark.parametrize(
    "value", [0.0, 1.0, -1e-30, 1e18, 3e38, -3e38, np.nan, "whole", "huge", "one class", "both ends"], ids=str
)
def test_any_values_can_be_drawn(value: float | str, classes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, max(1, len(classes)), 50)
    values = {
        "whole": rng.integers(-3, 500, 50),
        "huge": rng.normal(0.0, 1e38, 50),
        "one class": np.where(y == 0, rng.normal(size=50), np.nan),
        "both ends": rng.choice([-3e38, 3e38], 50),
    }.get(str(value), np.full(50, value if isinstance(value, float) else 0.0))
    raw = np.stack([values, rng.normal(size=50)], axis=1).astype(np.float32)
    inputs = inputs_of(raw, y, np.ones(50), layout(2), [])
    assert inputs_svg(inputs, classes).startswith("<svg")
    assert correlation_svg("name", inputs, np.ones(50, dtype=np.bool_)).startswith("<svg")


def test_a_difference_from_an_origin_is_shown_whatever_means_missing() -> None:
    columns = (
        FeatureBranch("time", "flat", 1, 0.0, 1.0, 0.0, -1.0, 1.6e9),
        FeatureBranch("pt", "flat", 1, 0.0, 1.0, 0.0, -1.0),
    )
    raw = np.array([[-999.0, -999.0], [np.inf, 3.0]], dtype=np.float32)
    found = inputs_of(raw, np.zeros(2), np.ones(2), Layout(columns, missing=(-999.0,)), ["time", "pt"])
    np.testing.assert_array_equal(found.values, np.array([[-999.0, np.nan], [np.nan, 3.0]], dtype=np.float32))
