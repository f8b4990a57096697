"""Histograms of every branch of files as they are read, without a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Column, Jagged, select
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.scan.pipeline import Selected
from mlaas4hep.streaming.scan.summary import Scanned
from mlaas4hep.training.judging.histograms import Panel, file_names
from mlaas4hep.training.report.branches import branch_png
from mlaas4hep.training.report.histogram_files import write_histograms

__all__ = ["write_raw_histograms"]

EVERYTHING = ("all",)
BINS = 50


def write_raw_histograms(scanned: Scanned, folder: Path, monitor: Monitor) -> list[Path]:
    """Read all files once more and write one picture a branch and ``histograms.json``.

    The counts are those of all values of a branch, of a jagged one those of all lists, as they are stored.

    Args:
        scanned: the files and the range of every branch.
        folder: made if need be; files of the same names are replaced.
        monitor: told about progress.

    Returns:
        The paths written.

    Raises:
        OutputError: the folder cannot be written.
    """
    branches = scanned.scan.specs.branches
    panels = {
        name: Panel.empty(part.values.low, part.values.high, BINS, 1, single=False) for name, part in branches.items()
    }
    for selected in scanned.again(monitor, "histograms"):
        for name, panel in panels.items():
            panel.fill(_values(selected, selected.columns[name]), 0)
    files = file_names(list(panels))
    content: dict[str, Any] = {
        "classes": list(EVERYTHING),
        "branches": {
            name: {"file": files[name], "kind": branches[name].kind, "before": panel.to_json(EVERYTHING)}
            for name, panel in panels.items()
        },
    }
    pictures = ((files[name], branch_png(name, EVERYTHING, panel)) for name, panel in panels.items())
    return write_histograms(folder, content, pictures)


def _values(selected: Selected, column: Column) -> NDArray[np.float64]:
    """All values of the events that are used."""
    if len(selected) < len(column):
        keep = np.zeros(len(column), dtype=np.bool_)
        keep[selected.index] = True
        column = select(column, keep)
    values = column.values if isinstance(column, Jagged) else column
    return values.astype(np.float64)
