"""``throughput``: how fast this machine reads these files and makes chunks of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlaas4hep.cli.options import (
    Branches,
    DataFiles,
    Dtype,
    Exclude,
    Json,
    QuietFigures,
    Redirector,
    Tree,
    Workers,
    names_of,
)
from mlaas4hep.cli.skipping import AllowSkipped, MaxBad, OnBadFile, skipping, with_skipping
from mlaas4hep.cli.workflows import validated

if TYPE_CHECKING:
    from mlaas4hep.config.sections.data import Reading
    from mlaas4hep.config.workflow import Workflow
    from mlaas4hep.streaming.bad_files import BadFiles
    from mlaas4hep.streaming.measure.throughput import Step, Throughput

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep throughput signal.root background.root --tree Events

  mlaas4hep throughput root://host//store/file.root --tree Events --branches 'Jet_*,MET_pt' --events 500000

  mlaas4hep throughput data.parquet --workers 4 --seconds 60 --json
"""
STEPS = {"raw": "raw reading", "specs": "specs pass", "chunks": "chunk making", "cached": "cached epoch"}
SECONDS = 30.0


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def throughput(
        files: DataFiles,
        tree: Tree = "Events",
        branches: Branches = "",
        exclude: Exclude = "",
        events: Annotated[int, typer.Option(help="Maximum number of events; -1: as many as the time allows.")] = -1,
        seconds: Annotated[float, typer.Option(min=0.1, help="Approximate total time in seconds.")] = SECONDS,
        chunk_size: Annotated[int, typer.Option(help="Events per chunk.")] = 10_000,
        memory_limit: Annotated[
            str | None, typer.Option(help="Memory for events, e.g. '2 GB'; default: a quarter of the machine's.")
        ] = None,
        redirector: Redirector = None,
        dtype: Dtype = None,
        workers: Workers = None,
        on_bad_file: OnBadFile = None,
        max_bad: MaxBad = None,
        allow_skipped: AllowSkipped = False,
        quiet: QuietFigures = False,
        as_json: Json = False,
    ) -> None:
        """Measure raw reading, the specs pass, chunk making and a cached epoch: kHz, MB/s, memory, shares of time.

        It reads the first events of each file; raw reading stops after a sixth of the time and the other steps go over
        the same events, so they may find the files in the system's memory. Labels do not matter.
        """
        settings = {
            "samples": [{"name": "files", "files": files}],
            "tree": tree,
            "events": events,
            "features": {"include": names_of(branches), "exclude": names_of(exclude)},
            "reading": {
                "redirector": redirector,
                "format": dtype.value if dtype else None,
                "workers": workers,
                "chunk_size": chunk_size,
                "memory_limit": memory_limit,
            },
        }
        from mlaas4hep.config.workflow import Workflow

        workflow = validated(Workflow, settings)
        reading = with_skipping(workflow.reading, on_bad_file, max_bad)
        with skipping(reading, [], allowed=allow_skipped) as bad:
            found = _measure(workflow, reading, seconds, bad, quiet=quiet)
            typer.echo(json.dumps(_as_json(found), indent=2) if as_json else _table(found))


def _measure(workflow: Workflow, reading: Reading, seconds: float, bad: BadFiles, *, quiet: bool) -> Throughput:
    from mlaas4hep.cli.console import Terminal
    from mlaas4hep.streaming.files import DataFile, opened
    from mlaas4hep.streaming.measure.throughput import throughput

    terminal = Terminal(quiet=quiet)

    def measured(files: tuple[DataFile, ...]) -> Throughput:
        wanted, events = workflow.event_settings, workflow.events
        executor = bad.executor(reading.threads)
        return throughput(
            files, wanted, workflow.features, reading, terminal, events=events, seconds=seconds, executor=executor
        )

    with opened(workflow.samples, workflow.tree, reading, twins=True, note=terminal.note, bad=bad) as files:
        return bad.settled(files, measured)


def _as_json(found: Throughput) -> dict[str, Any]:
    steps = {}
    for step in found.steps:
        steps[step.name] = {
            "events": step.events,
            "seconds": step.seconds,
            "khz": step.events / step.seconds / 1e3,
            **{f"{name}_mb_per_s": rate for name, rate in _rates(step).items()},
            "share_of_time": step.seconds / found.seconds,
            "peak_memory_mb": step.peak / 1e6,
        }
    about = {"files": found.files, "branches": found.branches, "columns": found.columns, "workers": found.workers}
    return {**about, "seconds": found.seconds, "steps": steps}


def _rates(step: Step) -> dict[str, float | None]:
    """MB/s of branches, file and columns; None where there is nothing, or nothing is known."""
    cached = step.name == "cached"
    sizes = {
        "branches": None if cached else step.branch_bytes,
        "file": None if cached else step.file_bytes,
        "columns": step.column_bytes or None,
    }
    return {name: None if size is None else size / step.seconds / 1e6 for name, size in sizes.items()}


def _table(found: Throughput) -> str:
    rows: list[tuple[str, ...]] = [
        ("", "kHz", "MB/s of branches", "MB/s of file", "MB/s of columns", "s", "share of time", "peak MB")
    ]
    for step in found.steps:
        rates = ["-" if rate is None else f"{rate:.1f}" for rate in _rates(step).values()]
        share = f"{100 * step.seconds / found.seconds:.0f} %"
        khz, taken, peak = f"{step.events / step.seconds / 1e3:.1f}", f"{step.seconds:.2f}", f"{step.peak / 1e6:.0f}"
        rows.append((STEPS[step.name], khz, *rates, taken, share, peak))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    events = found.steps[0].events
    files = "file" if found.files == 1 else "files"
    about = f"{events:,} events of {found.files} {files}, {found.branches} branches, {found.columns} columns"
    return "\n".join([f"{about}; threads: {found.workers}", *(line.rstrip() for line in lines)])
