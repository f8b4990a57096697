"""``doctor``: what works here, and what is missing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mlaas4hep.cli.options import Json, Redirector

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep doctor

  mlaas4hep doctor root://host//store/mc/a.root 'davs://host/store/*.root' --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def doctor(
        files: Annotated[
            list[str] | None, typer.Argument(help="Files to open: paths, URLs, logical names, folders, patterns.")
        ] = None,
        redirector: Redirector = None,
        as_json: Json = False,
    ) -> None:
        """Show credentials and how long they last, what servers answer and how fast, packages, GPU, memory, sandbox.

        The exit code is 0 if all files can be read (without files: if nothing that was found is broken), else 1.
        """
        from mlaas4hep.cli.doctor.check import table
        from mlaas4hep.cli.doctor.credentials import credentials
        from mlaas4hep.cli.doctor.machine import machine
        from mlaas4hep.cli.doctor.packages import packages
        from mlaas4hep.cli.doctor.servers import servers

        asked = list(servers(files or [], redirector))
        checks = [*asked, *credentials(), *packages(), *machine()]
        works = not any(check.state == "failed" for check in (asked or checks))
        if as_json:
            typer.echo(json.dumps({"ok": works, "checks": [check.as_json() for check in checks]}, indent=2))
        else:
            typer.echo(table(checks))
        if not works:
            raise typer.Exit(1)
