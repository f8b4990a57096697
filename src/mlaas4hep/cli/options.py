"""Options and checks that several commands share."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.formats import FORMATS

__all__ = [
    "Branches",
    "Bundle",
    "DataFiles",
    "Dtype",
    "Exclude",
    "Files",
    "Format",
    "Json",
    "Labels",
    "Model",
    "Names",
    "Overwrite",
    "Params",
    "Preproc",
    "Quiet",
    "QuietFigures",
    "Redirector",
    "Specs",
    "Tree",
    "TrustCode",
    "Workers",
    "names_of",
]


Format = StrEnum("Format", list(FORMATS))  # type: ignore[misc]
"""Formats of data files."""


Files = Annotated[str | None, typer.Option(help="files.txt with one path per line, or paths separated by commas.")]
Labels = Annotated[
    str | None,
    typer.Option(help="labels.txt with one label per line, labels separated by commas, or the branch that holds it."),
]
Model = Annotated[Path | None, typer.Option(help="Python file with model() or model(idim).")]
Params = Annotated[
    Path | None, typer.Option(help="params.json; default: the one in the working folder, or beside the model file.")
]
Preproc = Annotated[
    Path | None,
    typer.Option(help="preproc.json with new branches and cuts, or a Python file with preprocessing(events)."),
]
Bundle = Annotated[Path, typer.Argument(help="The model bundle: a folder or a tar.gz.")]
DataFiles = Annotated[list[str], typer.Argument(help="Files: paths, URLs, logical names.")]
Tree = Annotated[str, typer.Option(help="Path of the tree in the files.")]
Branches = Annotated[str, typer.Option(help="Branches or patterns, separated by commas; default: all.")]
Exclude = Annotated[str, typer.Option(help="Branches or patterns to leave out, separated by commas.")]
Redirector = Annotated[
    str | None, typer.Option(help="Prefix for logical names; several with commas between, in order of preference.")
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code", help="Run the code in the bundle: its preprocessing.py, the model.py of a native model."
    ),
]
Specs = Annotated[Path | None, typer.Option(help="specs.json computed earlier, in the original's form.")]
Dtype = Annotated[Format | None, typer.Option(help="Format of the files; default: by their suffix.")]
Names = Annotated[
    str | None, typer.Option(help="Names of the columns of CSV files without a header line, separated by commas.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Reading threads. Default: one per core, at most 4.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show warnings and errors only: no progress, notes or summary.")
]
QuietFigures = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show figures, warnings and errors only: no progress or notes.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing output file of any kind, but never an input.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def names_of(text: str) -> list[str]:
    """Return the names in a list separated by commas, or in a file with one a line."""
    if text and os.path.isfile(text):  # noqa: PTH113 - unlike Path it says no to what is too long for a path
        text = ",".join(Path(text).read_text(encoding="utf-8").splitlines())
    return [name.strip() for name in text.split(",") if name.strip()]
