"""The command ``mlaas4hep``: one thin module a command, errors shown as one line."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from mlaas4hep import __version__
from mlaas4hep.cli.commands import (
    doctor,
    evaluate,
    inspect,
    models,
    predict,
    reader,
    resnet,
    serve,
    specs,
    throughput,
    train,
)
from mlaas4hep.cli.stopping import say_stopped, stop_asked, stop_code, stopping
from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.extras import missing_package

__all__ = ["app", "main"]

USER_ERROR = 2
# typer brings a copy of click or depends on it, by its version; the class above BadParameter is there in both.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="mlaas4hep",
    add_completion=False,
    pretty_exceptions_enable=False,
    # The originals write options with underscores: --batch_size is --batch-size.
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: name.replace("_", "-"),
    },
    help="Machine learning for high-energy physics: train on ROOT files, get a model bundle, predict, serve.",
)
for module in (train, inspect, specs, throughput, predict, evaluate, reader, resnet, serve, models, doctor):
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
    """Run a command and exit.

    The code is 0 for success, 2 for a user's mistake or a fault of the world, 3 if files were left out, and 128
    and the signal's number when stopped: 130 by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    atexit.register(gc.freeze)  # or the collector walks once more over all that large frameworks have made
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    show_traceback = "--traceback" in arguments
    wanted = [argument for argument in arguments if argument != "--traceback"]
    try:
        with stopping():
            code = app(wanted or ["--help"], prog_name="mlaas4hep", standalone_mode=False)
    except (MLaaS4HEPError, OSError, MemoryError) as error:
        if show_traceback:
            traceback.print_exception(error)
        if not stop_asked():
            _fail(_words(error))
        code = stop_code()
    except ImportError as error:
        found = missing_package(error)
        if found is None or show_traceback:
            raise
        _fail(str(found))
    except _UsageError as error:
        _fail(_usage(error))
    except (typer.Abort, KeyboardInterrupt):
        code = stop_code()
    if code in {128 + signal.SIGINT, stop_code()}:  # typer makes the first of any KeyboardInterrupt
        say_stopped()
        sys.exit(stop_code())
    if isinstance(code, int) and code:
        sys.exit(code)


def _words(error: Exception) -> str:
    """Our own errors as they are; faults of the machine that nobody foresaw in the system's words."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; --traceback shows where it happened"
    if isinstance(error, MemoryError):
        return "the machine does not have enough memory; use fewer events, or a model that streams"
    return str(error)


def _usage(error: Any) -> str:
    """What is wrong with the command line, and where its help is."""
    what = str(error.format_message()).rstrip(".") or "a command is missing"  # the help has been shown by then
    place = error.ctx.command_path if error.ctx else "mlaas4hep"
    return f"{what}; see `{place} --help`"


def _fail(text: str) -> NoReturn:
    typer.secho(f"error: {text}", fg="red", err=True)
    sys.exit(USER_ERROR)


if __name__ == "__main__":
    main()
