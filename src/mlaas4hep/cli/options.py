"""Options and checks that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlaas4hep.errors import ConfigError
from mlaas4hep.formats import FORMATS

if TYPE_CHECKING:
    from mlaas4hep.config.workflow import Workflow

__all__ = [
    "Dtype",
    "Files",
    "Format",
    "Json",
    "Labels",
    "Model",
    "Overwrite",
    "Params",
    "Preproc",
    "Quiet",
    "Specs",
    "Workers",
    "legacy_workflow",
]


Format = StrEnum("Format", list(FORMATS))  # type: ignore[misc]
"""Formats of data files."""


Files = Annotated[str | None, typer.Option(help="files.txt with a path a line, or paths with commas between.")]
Labels = Annotated[
    str | None,
    typer.Option(help="labels.txt with a label a line, labels with commas between, or the branch that holds it."),
]
Model = Annotated[Path | None, typer.Option(help="Python file with model() or model(idim).")]
Params = Annotated[
    Path | None, typer.Option(help="params.json; default: that of the working folder, or of the model file's.")
]
Preproc = Annotated[Path | None, typer.Option(help="preproc.json with new branches and cuts.")]
Specs = Annotated[Path | None, typer.Option(help="specs.json computed earlier, in the original's form.")]
Dtype = Annotated[Format | None, typer.Option(help="Format of the files; default: by their suffix.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads that read. Default: one for each core, at most 4.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress and no remarks: results, warnings and errors only.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an output file that is there, of whatever kind; never an input.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def legacy_workflow(
    files: str | None,
    labels: str | None,
    model: Path | None,
    params: Path | None,
    preproc: Path | None,
    specs: Path | None,
    dtype: Format | None,
    name: str,
) -> Workflow:
    """The workflow that the original's options describe.

    Raises:
        ConfigError: an option is missing, or a file is not valid.
    """
    from mlaas4hep.config.legacy.load import read_legacy

    given = {"--files": files, "--labels": labels, "--model": model}
    missing = [option for option, value in given.items() if value is None]
    if missing or files is None or labels is None or model is None:
        raise ConfigError(
            f"{', '.join(missing)} not given", hint="name a workflow.yaml, or give --files, --labels and --model"
        )
    return read_legacy(files, labels, params, model, preproc, specs, dtype.value if dtype else None, name)
