"""``reader``: the original's reader command, with its options."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.cli.options import Dtype, Overwrite, Preproc, Redirector, names_of
from mlaas4hep.cli.specs import run_specs

__all__ = ["register"]

IDENTIFIERS = "run,event,luminosityBlock"

EXAMPLES = """
Examples:

  mlaas4hep reader --fin file.root --branch Events --info

  mlaas4hep reader --fin files.txt --branch Events --nevts 1000 --fout specs.json

  mlaas4hep reader --fin files.txt --branch Events --fout plots/specs.json --hists
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def reader(
        fin: Annotated[str, typer.Option(help="Paths separated by commas, or a file with one path per line.")],
        info: Annotated[
            bool, typer.Option("--info", help="Also print what is in each file; with --verbose 0, only that.")
        ] = False,
        nevts: Annotated[int, typer.Option(help="Events to read; -1: all.")] = -1,
        branch: Annotated[str, typer.Option(help="Path of the tree in the files.")] = "Events",
        branches: Annotated[str, typer.Option(help="Branches to read: names separated by commas, or a file.")] = "",
        exclude_branches: Annotated[str, typer.Option(help="Branches to leave out, in the same form.")] = "",
        identifier: Annotated[str, typer.Option(help="Branches that identify an event.")] = IDENTIFIERS,
        chunk_size: Annotated[int, typer.Option(help="Accepted; no figure depends on it.")] = 1000,
        specs: Annotated[Path | None, typer.Option(help="Specs computed earlier; they are not needed.")] = None,
        fout: Annotated[Path | None, typer.Option(help="Write specs.json here.")] = None,
        redirector: Redirector = None,
        hists: Annotated[
            bool,
            typer.Option(
                "--hists", help="Write histograms of every branch into a folder `hists` beside --fout, or here."
            ),
        ] = False,
        preproc: Preproc = None,
        nan: Annotated[float | None, typer.Option(help="Accepted; padding is always NaN here.")] = None,
        dtype: Dtype = None,
        overwrite: Overwrite = False,
        verbose: Annotated[int, typer.Option(help="0: warnings and errors only.")] = 1,
    ) -> None:
        """Print events, branches, ranges and dimensions with the original's options."""
        from mlaas4hep.config.legacy.lists import read_files
        from mlaas4hep.config.legacy.samples import default_redirector
        from mlaas4hep.streaming.inspection import inspect, render
        from mlaas4hep.streaming.remote.location import resolve

        del chunk_size
        given = [fin, specs, preproc, *(Path(names) for names in (branches, exclude_branches, identifier) if names)]
        include = names_of(branches)
        # Identifiers with usual names are not features anyway, unless they are named.
        known = [name for name in names_of(identifier) if identifier != IDENTIFIERS or name in include]
        files = [path for _, path in read_files(fin, redirector)]
        redirector = redirector or default_redirector(files)
        if nan is not None and not math.isnan(nan):
            what = "--nan: padding is always NaN here, and is not counted in the ranges"
            typer.secho(f"warning: {what}; {nan:g} is not used", fg="yellow", err=True)
        if info:
            for file in files:
                typer.echo(render(inspect(resolve(file, redirector), branch)))
            if verbose == 0 and not hists and fout is None:
                return
        run_specs(
            {
                "samples": [{"name": "files", "files": files}],
                "tree": branch,
                "identifier": [],
                "events": nevts,
                "features": {
                    "include": include,
                    "exclude": [*names_of(exclude_branches), *known],
                },
                "reading": {"redirector": redirector, "format": dtype.value if dtype else None},
            },
            fout,
            quiet=verbose == 0,
            as_json=False,
            given=given,
            overwrite=overwrite,
            hists=(fout.parent if fout else Path()) / "hists" if hists else None,
            preproc=preproc,
        )
