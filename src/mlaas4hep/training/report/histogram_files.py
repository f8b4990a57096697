"""Histograms of branches as pictures and JSON in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlaas4hep.atomic.files import beside
from mlaas4hep.errors import OutputError
from mlaas4hep.training.judging.histograms import Histograms
from mlaas4hep.training.report.branches import branch_png

__all__ = ["write_branch_histograms", "write_histograms"]


def write_branch_histograms(histograms: Histograms, folder: Path) -> list[Path]:
    """Write one PNG a branch and ``histograms.json`` into a folder, which is made if need be.

    Everything is written beside the folder first; files of the same names are replaced, others stay.

    Returns:
        The paths written.

    Raises:
        OutputError: the folder cannot be written.
    """
    content = histograms.to_json()
    pictures = (
        (
            content["branches"][branch.name]["file"],
            branch_png(
                branch.name if not branch.origin else f"{branch.name} - {branch.origin!r}",
                histograms.classes,
                histograms.before[branch.name],
                histograms.after[branch.name],
                histograms.layout.normalisation,
            ),
        )
        for branch in histograms.layout.branches
    )
    return write_histograms(folder, content, pictures)


def write_histograms(folder: Path, content: Mapping[str, Any], pictures: Iterable[tuple[str, bytes]]) -> list[Path]:
    """Write pictures, by file name, and ``histograms.json``; see `write_branch_histograms`."""
    try:
        with beside(folder) as partial:
            partial.mkdir()
            for name, picture in pictures:
                (partial / name).write_bytes(picture)
            text = json.dumps(content, indent=1, allow_nan=False) + "\n"
            (partial / "histograms.json").write_text(text, encoding="utf-8")
            folder.mkdir(exist_ok=True)
            written = [folder / path.name for path in sorted(partial.iterdir())]
            for path in written:
                (partial / path.name).replace(path)
    except OutputError as error:
        what = f"histograms cannot be written: {error.what}"
        raise OutputError(what, where=str(folder), hint="choose another folder for the histograms") from error
    return written
