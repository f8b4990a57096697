"""Options of commands that may go on without bad files, and how such a command ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlaas4hep.cli.outputs import Output
    from mlaas4hep.config.sections.data import Reading
    from mlaas4hep.streaming.bad_files import BadFiles

__all__ = ["SKIPPED", "AllowSkipped", "MaxBad", "OnBad", "OnBadFile", "report_beside", "skipping", "with_skipping"]

SKIPPED = 3
"""Exit code of a command that went on without some files."""

OnBad = StrEnum("OnBad", ["fail", "skip"])

OnBadFile = Annotated[
    OnBad | None,
    typer.Option(
        "--on-bad-file", help="End with an error (the default), or go on without the events of files that are bad."
    ),
]
MaxBad = Annotated[
    str | None, typer.Option(help="Files that may be left out: a number, or a share such as '5 %' (the default).")
]
AllowSkipped = Annotated[
    bool, typer.Option("--allow-skipped", help="End with exit code 0, not 3, if files were left out.")
]


def with_skipping(reading: Reading, on_bad_file: OnBad | None, max_bad: str | None) -> Reading:
    """Return how events are read, as these options say.

    Raises:
        ConfigError: `max_bad` is neither a number nor a share.
    """
    from mlaas4hep.cli.workflows import validated
    from mlaas4hep.config.sections.data import Reading

    given = {"on_bad_file": on_bad_file.value if on_bad_file else None, "max_bad": max_bad}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return reading
    checked = validated(Reading, given)
    return reading.model_copy(update={name: getattr(checked, name) for name in given})


def report_beside(output: Path | None, reading: Reading) -> list[Output]:
    """Return the report on bad files, which stands beside an output; none where no file may be left out."""
    from mlaas4hep.cli.outputs import Output

    if output is None or reading.on_bad_file != "skip":
        return []
    return [Output("bad_files.json", output.absolute().parent / "bad_files.json", "bad files")]


@contextmanager
def skipping(reading: Reading, report: list[Output], *, allowed: bool) -> Iterator[BadFiles]:
    """Collect what a command goes without; at its end show it, and write the report.

    Args:
        reading: says whether files may be left out.
        report: from `report_beside`.
        allowed: end as if nothing had been left out.

    Raises:
        typer.Exit: files were left out, and that is not allowed.
    """
    from mlaas4hep.cli.outputs import write_text
    from mlaas4hep.streaming.bad_files import BadFiles

    bad = BadFiles(reading)
    try:
        yield bad
    finally:
        if bad.found or (bad.skips and bad.total):
            for output in report:
                write_text(output.path, json.dumps(bad.to_json(), indent=2) + "\n")
        if bad.found:
            typer.secho(f"\n{bad.render()}\n", fg="yellow", err=True)
    if bad.found:
        hint = "" if allowed else f"; the exit code is {SKIPPED} (0 with --allow-skipped)"
        typer.secho(f"warning: {len(bad.found)} of {bad.total} files were left out{hint}", fg="yellow", err=True)
        if not allowed:
            raise typer.Exit(SKIPPED)
