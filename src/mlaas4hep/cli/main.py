"""The command ``mlaas4hep``: one thin module a command, errors shown as one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mlaas4hep import __version__
from mlaas4hep.cli import evaluate, inspect, predict, reader, specs, train
from mlaas4hep.errors import MLaaS4HEPError

__all__ = ["app", "main"]

USER_ERROR = 2

app = typer.Typer(
    name="mlaas4hep",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Machine learning for high-energy physics: train on ROOT files, get a model bundle, predict on whole files.",
)
for module in (train, inspect, specs, predict, evaluate, reader):
    module.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlaas4hep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error was raised (also after the command).")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version, traceback


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 for success, 2 for a user's mistake or a fault of the world, 130 when interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    show_traceback = "--traceback" in arguments
    try:
        app([argument for argument in arguments if argument != "--traceback"])
    except MLaaS4HEPError as error:
        if show_traceback:
            raise
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(USER_ERROR)


if __name__ == "__main__":
    main()
