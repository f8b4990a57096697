"""``specs``: ranges, lengths and moments of every branch, in one pass."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.cli.options import (
    Branches,
    DataFiles,
    Dtype,
    Exclude,
    Json,
    Overwrite,
    Quiet,
    Redirector,
    Tree,
    Workers,
    names_of,
)
from mlaas4hep.cli.skipping import AllowSkipped, MaxBad, OnBadFile
from mlaas4hep.cli.specs import run_specs

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep specs signal.root background.root --tree Events -o specs.json

  mlaas4hep specs data.root --tree Events --branches 'Jet_*,MET_pt' --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def specs(
        files: DataFiles,
        tree: Tree = "Events",
        output: Annotated[Path | None, typer.Option("--output", "-o", help="Write specs.json here.")] = None,
        branches: Branches = "",
        exclude: Exclude = "",
        events: Annotated[int, typer.Option(help="Events to use over all files; -1: all.")] = -1,
        selection: Annotated[list[str] | None, typer.Option(help="A cut; may be given several times.")] = None,
        missing: Annotated[list[float] | None, typer.Option(help="A value that means missing, e.g. -999.")] = None,
        redirector: Redirector = None,
        dtype: Dtype = None,
        workers: Workers = None,
        on_bad_file: OnBadFile = None,
        max_bad: MaxBad = None,
        allow_skipped: AllowSkipped = False,
        overwrite: Overwrite = False,
        quiet: Quiet = False,
        as_json: Json = False,
    ) -> None:
        """Print (and write) kind, dimension, range, mean, deviation and missing values of every branch."""
        run_specs(
            {
                "samples": [{"name": "files", "files": files}],
                "tree": tree,
                "identifier": [],
                "events": events,
                "selection": selection or [],
                "features": {"include": names_of(branches), "exclude": names_of(exclude), "missing": missing or []},
                "reading": {"redirector": redirector, "format": dtype.value if dtype else None, "workers": workers},
            },
            output,
            quiet=quiet,
            as_json=as_json,
            on_bad_file=on_bad_file,
            max_bad=max_bad,
            allow_skipped=allow_skipped,
            given=[files, *(Path(names) for names in (branches, exclude) if names)],
            overwrite=overwrite,
        )
