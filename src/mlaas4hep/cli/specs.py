"""Specs of files as the commands ``specs`` and ``reader`` give them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from mlaas4hep.cli.workflows import validated

__all__ = ["run_specs"]


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
    """Compute specs as configured, after a preproc.json or .py; print them, write what is asked for."""
    from mlaas4hep.cli.console import Terminal
    from mlaas4hep.cli.outputs import Output, check_outputs, files_of, write_text
    from mlaas4hep.config.legacy.load import preprocessed
    from mlaas4hep.config.legacy.preproc import read_preproc
    from mlaas4hep.config.workflow import Workflow
    from mlaas4hep.errors.findings import few
    from mlaas4hep.streaming.execution import Executor
    from mlaas4hep.streaming.files import opened
    from mlaas4hep.streaming.scan.summary import scan_specs
    from mlaas4hep.streaming.user_function.function import load_function

    workflow = preprocessed(validated(Workflow, settings), read_preproc(preproc) if preproc else None, str(preproc))
    outputs = [Output("the output", output, "specs")] if output else []
    outputs += [Output("--hists", hists, "folder")] if hists else []
    check_outputs(outputs, [*given, files_of(workflow)], overwrite=overwrite)
    terminal = Terminal(quiet=quiet)
    function = load_function(workflow.preprocessing)
    with opened(workflow.samples, workflow.tree, workflow.reading, note=terminal.note, function=function) as files:
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
