"""What is published of every backend and every kind of output; the same table is in docs/explanation/outputs.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.fitting import auc
from tests.support.output_kinds import CASES, HEAD, Case, published

pytest.importorskip("keras")
pytest.importorskip("torch")
pytest.importorskip("xgboost")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "outputs.md"


def rows_of_the_page() -> dict[tuple[str, str, str], tuple[str, ...]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in lines]
    assert cells[0] == HEAD
    return {(row[0], row[1], row[2]): row[3:] for row in cells[1:]}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.backend}-{case.name}-{case.task}" for case in CASES])
def test_what_is_published_is_what_it_is_called(case: Case, tmp_path: Path) -> None:
    warnings: list[str] = []
    found = published(case, tmp_path, warnings.append)
    scores = found.scores
    assert (found.output.kind, found.output.threshold) == (case.kind, pytest.approx(case.threshold, abs=0.03))
    told = [text for text in warnings if "decision values" in text]
    assert bool(told) == (case.kind == "decision")
    for other in (found.onnx, found.native):
        assert other.shape == scores.shape
        assert np.abs(other - scores).max() < 2e-5 * max(1.0, np.abs(scores).max())
    if case.task == "binary":
        learns = "without from_logits" not in case.name  # Keras clips what leaves 0 to 1, and has no slope there
        assert auc(scores, found.y) > 0.8 or not learns
        assert ((scores[:, 0] >= found.output.threshold) == found.y).mean() > 0.75 or not learns
    if case.kind == "probability":
        assert scores.min() >= 0.0
        assert scores.max() <= 1.0
        if case.task == "multiclass":
            assert np.allclose(scores.sum(axis=1), 1.0, atol=1e-5)
        else:
            assert abs(scores.mean() - found.y.mean()) < 0.1  # it is of the size of a probability
    assert_row(case, scores)


def table_row(case: Case, scores: Any) -> str:
    kind = {"decision": "decision value"}.get(case.kind, case.kind)
    threshold = f"{case.threshold:g}" if case.task == "binary" else ""
    text = f"{scores.min():.3g} to {scores.max():.3g}"
    return f"| {case.backend} | `{case.name}` | {case.task} | {kind} | {threshold} | {text} |"


def assert_row(case: Case, scores: Any) -> None:
    print(table_row(case, scores))  # noqa: T201 - what the page holds, with pytest -s
    kind, threshold, text = rows_of_the_page()[case.backend, case.name, case.task]
    assert kind == {"decision": "decision value"}.get(case.kind, case.kind)
    assert threshold == (f"{case.threshold:g}" if case.task == "binary" else "")
    low, high = (float(number) for number in text.split(" to "))
    width = max(high - low, 1e-9)
    assert scores.min() == pytest.approx(low, abs=0.25 * width)
    assert scores.max() == pytest.approx(high, abs=0.25 * width)


def test_the_page_has_no_other_rows() -> None:
    assert set(rows_of_the_page()) == {(case.backend, case.name, case.task) for case in CASES}
