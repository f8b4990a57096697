"""Figures: identifiers, colours, thinned curves, names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.training.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def build(figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=style.INK, label="a & b, H→ττ, 信号")
    axes.legend()


def test_svg_is_prefixed_and_takes_the_colour_of_the_page() -> None:
    svg = style.draw_svg("one", build)
    assert svg == style.draw_svg("one", build)
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert "currentColor" in svg
    assert style.INK not in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids)) > 5
    assert all(name.startswith("one-") for name in ids)
    used = set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'href="#([^"]+)"', svg))
    assert used <= set(ids)


def test_png_is_the_same_every_time() -> None:
    png = style.draw_png(build)
    assert png.startswith(b"\x89PNG")
    assert png == style.draw_png(build)


@given(st.integers(0, 3000), st.integers(0, 50))
def test_thin_keeps_ends_and_order(events: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.random(events)), rng.random(events)
    y[rng.random(events) < 0.1] = np.nan
    index = style.thin(x, y, 100)
    finite = np.flatnonzero(np.isfinite(y))
    assert len(index) <= 102
    assert set(index) <= set(finite)
    assert np.all(np.diff(index) > 0)
    if len(finite):
        assert (index[0], index[-1]) == (finite[0], finite[-1])


def test_names_are_shown_as_they_stand() -> None:
    assert style.plain("pt_$x$") == r"pt_\$x\$"
    assert style.plain("_private") == " _private"
    assert style.plain("a" * 20 + "b" * 20, 11) == "aaaaa…bbbbb"


def test_colours() -> None:
    assert style.class_colours(2) == ["#5790fc", "#e42536"]
    assert len(set(style.class_colours(6))) == 6
    assert len(set(style.class_colours(10))) == 10
    assert len(style.class_colours(12)) == 12
