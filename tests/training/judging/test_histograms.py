"""Histograms: exact counts, whatever the chunks; files with safe names; refusal of what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlaas4hep.errors import OutputError
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.training.judging.histograms import Histograms
from mlaas4hep.training.report.histogram_files import write_branch_histograms

LAYOUT = Layout(
    (
        FeatureBranch("pt", "flat", 1, 10.0, 0.1, 0.0, -1.0),
        FeatureBranch("Jet/../eta", "jagged", 2, 0.0, 0.5, -9.0, -9.5),
    ),
    missing=(-999.0,),
)
RANGES = {"pt": (10.0, 20.0), "Jet/../eta": (-2.0, 2.0)}


def make(events: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    raw = np.column_stack([rng.uniform(8, 22, events), rng.normal(size=(events, 2))]).astype(np.float32)
    raw[rng.random(raw.shape) < 0.2] = np.nan
    raw[: events // 10, 0] = -999.0
    raw[:1, 0], raw[1:2, 0] = 20.0, 10.0
    return raw, rng.integers(0, 2, events)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300), st.integers(1, 300), st.integers(0, 99))
def test_counts_equal_numpy_whatever_the_chunks(events: int, chunk: int, seed: int) -> None:
    raw, y = make(events, seed)
    seen = LAYOUT.transform(raw)
    histograms = Histograms(LAYOUT, RANGES, ["bkg", "sig"], bins=13)
    for start in range(0, events, chunk):
        rows = slice(start, start + chunk)
        histograms.fill(raw[rows], seen[rows], y[rows])
    for index in (0, 1):
        values = raw[y == index, 0].astype(np.float64)
        real = values[np.isfinite(values) & (values != -999.0)]
        panel = histograms.before["pt"]
        np.testing.assert_array_equal(panel.counts[index], np.histogram(real, 13, (10.0, 20.0))[0])
        np.testing.assert_array_equal(
            panel.outside[index], [(real < 10).sum(), (real > 20).sum(), len(values) - len(real)]
        )
        after = histograms.after["pt"]
        np.testing.assert_array_equal(after.edges, np.histogram_bin_edges([], 13, (-1.0, 1.0)))
        np.testing.assert_array_equal(
            after.counts[index], np.histogram(seen[y == index, 0].astype(float), after.edges)[0]
        )
        both = histograms.before["Jet/../eta"]
        assert both.counts[index].sum() + both.outside[index].sum() == 2 * (y == index).sum()


def test_merge_equals_filling_together() -> None:
    raw, y = make(200)
    seen = LAYOUT.transform(raw)
    whole, first, second = (Histograms(LAYOUT, RANGES, ["bkg", "sig"]) for _ in range(3))
    whole.fill(raw, seen, y)
    first.fill(raw[:70], seen[:70], y[:70])
    second.fill(raw[70:], seen[70:], y[70:])
    first.merge(second)
    assert first.to_json() == whole.to_json()


def test_merge_refuses_others() -> None:
    one = Histograms(LAYOUT, RANGES, ["bkg", "sig"])
    with pytest.raises(ValueError, match="same branches and classes"):
        one.merge(Histograms(LAYOUT, RANGES, ["a", "b"]))
    with pytest.raises(ValueError, match="same edges and classes"):
        one.merge(Histograms(LAYOUT, RANGES | {"pt": (0.0, 1.0)}, ["bkg", "sig"]))


def test_fill_refuses_other_shapes() -> None:
    zeros = np.zeros((3, 2), dtype=np.float32)
    histograms = Histograms(LAYOUT, RANGES, ["bkg", "sig"])
    with pytest.raises(ValueError, match=r"shapes \(3, 2\) and \(3, 2\), must be \(3, 3\)"):
        histograms.fill(zeros, zeros, np.zeros(3))


def test_regression_mask_and_nan_models() -> None:
    layout = Layout(LAYOUT.branches, nan=True, mask=True)
    raw, _ = make(50)
    histograms = Histograms(layout, {"pt": (5.0, 5.0)}, [], bins=4)
    histograms.fill(raw, layout.transform(raw), np.linspace(0, 1, 50, dtype=np.float32))
    content = histograms.to_json()
    assert content["classes"] == ["all"]
    assert content["branches"]["pt"]["before"]["edges"] == [4.5, 4.75, 5.0, 5.25, 5.5]
    eta = content["branches"]["Jet/../eta"]
    assert eta["after"]["classes"]["all"]["missing"] == int(np.isnan(raw[:, 1:]).sum())
    assert eta["before"]["edges"][0] == 0.0


def test_write(tmp_path: Path) -> None:
    layout = Layout((*LAYOUT.branches, FeatureBranch("PT", "flat", 1, 0.0, 1.0, 0.0, -1.0)))
    raw, y = make(300)
    raw = np.column_stack([raw, raw[:, 0]])
    histograms = Histograms(layout, RANGES, ["bkg $_", "sig"], bins=10)
    histograms.fill(raw, layout.transform(raw), y)
    folder = tmp_path / "deep" / "plots"
    written = write_branch_histograms(histograms, folder)
    names = {"pt.png", "PT_2.png", "Jet_.._eta.png", "histograms.json"}
    assert {path.name for path in folder.iterdir()} == {path.name for path in written} == names
    assert [path.name for path in folder.parent.iterdir()] == ["plots"]
    content = json.loads((folder / "histograms.json").read_text())
    assert content == histograms.to_json()
    picture = (folder / content["branches"]["PT"]["file"]).read_bytes()
    assert picture.startswith(b"\x89PNG")
    (folder / "own.txt").write_text("stays")
    write_branch_histograms(histograms, folder)
    assert (folder / "own.txt").read_text() == "stays"
    assert (folder / "PT_2.png").read_bytes() == picture


def test_write_where_a_file_stands(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    histograms = Histograms(Layout(()), {}, [])
    with pytest.raises(OutputError, match=r"file: histograms cannot be written: .*; choose another folder"):
        write_branch_histograms(histograms, place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
