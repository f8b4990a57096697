"""``inspect``: what is in a file."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mlaas4hep.cli.options import Json, Redirector

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep inspect file.root

  mlaas4hep inspect root://host//store/file.root --tree Events --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def inspect(
        file: Annotated[str, typer.Argument(help="A path, URL or logical name.")],
        tree: Annotated[str | None, typer.Option(help="Show the branches of this tree; default: of all.")] = None,
        redirector: Redirector = None,
        as_json: Json = False,
    ) -> None:
        """List the trees, their entries, and the branches with kind and type."""
        from mlaas4hep.streaming.inspection import inspect as look
        from mlaas4hep.streaming.inspection import render
        from mlaas4hep.streaming.remote.location import resolve

        found = look(resolve(file, redirector), tree)
        typer.echo(json.dumps(found.to_json(), indent=2) if as_json else render(found))
