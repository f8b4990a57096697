"""Specs of files as the commands ``specs`` and ``reader`` give them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from mlaas4hep.cli.skipping import OnBad, report_beside, skipping, with_skipping
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
    on_bad_file: OnBad | None = None,
    max_bad: str | None = None,
    allow_skipped: bool = False,
) -> None:
    """Compute specs as configured, after a preproc.json or .py; print them, write what is asked for."""
    from mlaas4hep.cli.console import Terminal
    from mlaas4hep.cli.outputs import Output, check_outputs, files_of, write_text
    from mlaas4hep.config.legacy.load import preprocessed
    from mlaas4hep.config.legacy.preproc import read_preproc
    from mlaas4hep.config.workflow import Workflow
    from mlaas4hep.errors.findings import few
    from mlaas4hep.streaming.files import opened
    from mlaas4hep.streaming.scan.summary import scan_specs
    from mlaas4hep.streaming.user_function.function import load_function

    workflow = preprocessed(validated(Workflow, settings), read_preproc(preproc) if preproc else None, str(preproc))
    outputs = [Output("the output", output, "specs")] if output else []
    outputs += [Output("--hists", hists, "folder")] if hists else []
    reading = with_skipping(workflow.reading, on_bad_file, max_bad)
    report = report_beside(output, reading)
    outputs += report
    check_outputs(outputs, [*given, files_of(workflow)], overwrite=overwrite)
    terminal = Terminal(quiet=quiet)
    function = load_function(workflow.preprocessing)
    with skipping(reading, report, allowed=allow_skipped) as bad:
        with opened(workflow.samples, workflow.tree, reading, note=terminal.note, function=function, bad=bad) as files:
            executor = bad.executor(reading.threads)
            wanted, events = workflow.event_settings, workflow.events
            scanned = bad.settled(
                files, lambda files: scan_specs(files, wanted, terminal, events=events, executor=executor)
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
