"""The look of all figures: the field's style, a palette for colour-blind readers, and bytes that never change.

Figures on the page are SVG whose ink takes the colour of the page's text, so that they fit a light and a dark page.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["INK", "MUTED", "class_colours", "draw_png", "draw_svg", "legend", "plain", "thin"]

INK = "#0a0b0c"
"""Colour of lines and text; stands for the text colour of the page in SVG."""

MUTED = "#828588"
"""Colour of what is secondary; readable on light and dark."""

_PETROFF_6 = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd")
_PETROFF_10 = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)

_FONT = 13.0
_SETTINGS: dict[Any, Any] = {
    "font.size": _FONT,
    "font.sans-serif": ["TeX Gyre Heros", "DejaVu Sans"],
    "axes.labelsize": "medium",
    "axes.linewidth": 1.0,
    "axes.unicode_minus": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": "small",
    "ytick.labelsize": "small",
    "xtick.major.size": 6,
    "ytick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.minor.size": 3,
    "legend.fontsize": "small",
    "legend.title_fontsize": "small",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "path",
    "path.simplify": False,
}


def class_colours(classes: int) -> list[str]:
    """Return a colour for each class; binary: blue background, red signal.

    Source: M. Petroff, "Accessible color sequences for data visualization", arXiv:2107.02270.
    """
    if classes == 2:
        return [_PETROFF_6[0], _PETROFF_6[2]]
    palette = _PETROFF_6 if classes <= len(_PETROFF_6) else _PETROFF_10
    return [palette[index % len(palette)] for index in range(classes)]


def plain(text: str, limit: int = 32) -> str:
    """Text that matplotlib shows as it stands, shortened in the middle if it is long."""
    if len(text) > limit:
        head = (limit - 1) // 2
        text = f"{text[:head]}…{text[head + 1 - limit :]}"
    text = text.replace("\\", "/").replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def legend(axes: Axes, **settings: Any) -> None:
    """A legend, if anything has a label."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**settings)


def thin(x: NDArray[np.float64], y: NDArray[np.float64], points: int = 400) -> NDArray[np.int64]:
    """Return indices of some points that show the same curve: evenly spaced along it, ends included.

    Args:
        x: [N], ``y`` as well; points that are not finite are left out.
        y: [N].
        points: how many at most.

    Returns:
        Ascending indices, int64.
    """
    index = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(index) <= points:
        return index
    steps = np.zeros(len(index))
    for values in (x[index], y[index]):
        span = float(np.ptp(values))
        if span > 0.0:
            steps[1:] += np.abs(np.diff(values)) / span
    way = np.cumsum(steps)
    chosen = np.searchsorted(way, np.linspace(0.0, way[-1], points))
    kept = np.unique(np.concatenate([[0], np.minimum(chosen, len(index) - 1), [len(index) - 1]]))
    return np.asarray(index[kept], dtype=np.int64)


def draw_svg(name: str, build: Callable[[Figure], None], width: float = 6.2, height: float = 4.8) -> str:
    """Return an SVG element to be put into a page.

    Args:
        name: unique on the page; makes the identifiers inside unique.
        build: draws into the empty figure it is given.
        width: in inches; ``height`` as well.
        height: in inches.

    Returns:
        ``<svg ...>...</svg>``, the same bytes for the same input.
    """
    text = _render(build, width, height, "svg", {"svg.hashsalt": name}).decode("utf-8")
    text = text[text.index("<svg ") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text).replace("url(#", f"url(#{name}-")
    return text.replace(INK, "currentColor").strip()


def draw_png(build: Callable[[Figure], None], width: float = 6.2, height: float = 4.8) -> bytes:
    """Return a PNG on white, the same bytes for the same input."""
    return _render(build, width, height, "png", {"figure.facecolor": "white", "savefig.facecolor": "white"})


def _render(build: Callable[[Figure], None], width: float, height: float, kind: str, settings: dict[Any, Any]) -> bytes:
    import matplotlib as mpl
    import mplhep
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({**mplhep.style.CMS, **_SETTINGS, **settings}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in a script that no font here has
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        build(figure)
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)  # or all would be drawn once more only to find the places
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=100)
    return buffer.getvalue()
