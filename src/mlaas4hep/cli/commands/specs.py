"""``specs``: ranges, lengths and moments of every branch, in one pass."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.cli.options import Dtype, Json, Overwrite, Quiet, Workers

__all__ = ["names_of", "register", "run_specs"]

EXAMPLES = """
Examples:

  mlaas4hep specs signal.root background.root --tree Events -o specs.json

  mlaas4hep specs data.root --tree Events --branches 'Jet_*,MET_pt' --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def specs(
        files: Annotated[list[str], typer.Argument(help="Files: paths, URLs, logical names.")],
        tree: Annotated[str, typer.Option(help="Path of the tree in the files.")] = "Events",
        output: Annotated[Path | None, typer.Option("--output", "-o", help="Write specs.json here.")] = None,
        branches: Annotated[str, typer.Option(help="Branches or patterns, with commas between; default: all.")] = "",
        exclude: Annotated[str, typer.Option(help="Branches or patterns to leave out, with commas between.")] = "",
        events: Annotated[int, typer.Option(help="Events to use over all files; -1: all.")] = -1,
        selection: Annotated[list[str] | None, typer.Option(help="A cut; may be given several times.")] = None,
        missing: Annotated[list[float] | None, typer.Option(help="A value that means missing, e.g. -999.")] = None,
        redirector: Annotated[str | None, typer.Option(help="Prefix for logical names.")] = None,
        dtype: Dtype = None,
        workers: Workers = None,
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
            given=[files, *(Path(names) for names in (branches, exclude) if names)],
            overwrite=overwrite,
        )


def names_of(text: str) -> list[str]:
    """Names in a list with commas between, or in a file with one a line."""
    if text and os.path.isfile(text):  # noqa: PTH113 - unlike Path it says no to what is too long for a path
        text = ",".join(Path(text).read_text(encoding="utf-8").splitlines())
    return [name.strip() for name in text.split(",") if name.strip()]


def run_specs(
    settings: dict[str, object],
    output: Path | None,
    *,
    quiet: bool,
    as_json: bool,
    given: Sequence[object],
    overwrite: bool,
    hists: Path | None = None,
    preproc: Path | None = None,
) -> None:
    """Compute specs as configured, after the cuts of a preproc.json; print them, write what is asked for."""
    from pydantic import ValidationError

    from mlaas4hep.cli.console import Terminal
    from mlaas4hep.cli.outputs import Output, check_outputs, write_text
    from mlaas4hep.config.legacy.load import preprocessed
    from mlaas4hep.config.legacy.preproc import read_preproc
    from mlaas4hep.config.problems import config_error
    from mlaas4hep.config.workflow import Workflow
    from mlaas4hep.errors.findings import few
    from mlaas4hep.streaming.execution import Executor
    from mlaas4hep.streaming.files import opened
    from mlaas4hep.streaming.scan.summary import scan_specs

    try:
        workflow = Workflow.model_validate(settings)
    except ValidationError as error:
        raise config_error(error, "options", Workflow) from error
    workflow = preprocessed(workflow, read_preproc(preproc) if preproc else None, str(preproc))
    outputs = [Output("the output", output, "specs")] if output else []
    outputs += [Output("--hists", hists, "folder")] if hists else []
    check_outputs(outputs, given, workflow, overwrite=overwrite)
    terminal = Terminal(quiet=quiet)
    with opened(workflow.samples, workflow.tree, workflow.reading, note=terminal.note) as files:
        scanned = scan_specs(
            files,
            workflow.event_settings,
            terminal,
            events=workflow.events,
            executor=Executor(workflow.reading.threads),
        )
        found = scanned.specs
        if hists is not None:
            from mlaas4hep.training.report.raw_histograms import write_raw_histograms

            write_raw_histograms(scanned, hists, terminal)
    text = json.dumps(found.to_json(), indent=2)
    if output is not None:
        write_text(output, text + "\n")
    if as_json:
        typer.echo(text)
    elif not quiet:
        for path, events in found.events.items():
            typer.echo(f"{path}: {events} events")
        typer.echo(found.render())
        for place in (output, hists):
            if place is not None:
                typer.echo(f"written: {place}")
    if found.unreadable:
        typer.secho(f"error: {few(list(found.unreadable))} cannot be read", fg="red", err=True)
        raise typer.Exit(2)
