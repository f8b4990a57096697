"""``train`` and ``workflow``: from files to a model bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.cli.options import (
    Dtype,
    Files,
    Format,
    Json,
    Labels,
    Model,
    Params,
    Preproc,
    Quiet,
    Specs,
    legacy_workflow,
)

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep train workflow.yaml --fout higgs

  mlaas4hep train --files files.txt --labels labels.txt --model model.py --params params.json --fout higgs.tar.gz
"""

Fout = Annotated[Path, typer.Option(help="The bundle to write: a folder, or a name that ends in .tar.gz.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted training from its checkpoint.")]
SplitOut = Annotated[
    Path | None, typer.Option(help="Write the part (train, validation, test) of every event into this Parquet file.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command(epilog=EXAMPLES)
    def train(
        configuration: Annotated[Path | None, typer.Argument(metavar="[WORKFLOW.YAML]")] = None,
        files: Files = None,
        labels: Labels = None,
        model: Model = None,
        params: Params = None,
        preproc: Preproc = None,
        specs: Specs = None,
        dtype: Dtype = None,
        fout: Fout = Path("model"),
        resume: Resume = False,
        split_out: SplitOut = None,
        quiet: Quiet = False,
        as_json: Json = False,
    ) -> None:
        """Train a model on files and write a self-contained bundle."""
        _run(
            configuration, files, labels, model, params, preproc, specs, dtype, fout, resume, split_out, quiet, as_json
        )

    @app.command(epilog=EXAMPLES.replace("mlaas4hep train --", "mlaas4hep workflow --"))
    def workflow(
        files: Files = None,
        labels: Labels = None,
        model: Model = None,
        params: Params = None,
        preproc: Preproc = None,
        specs: Specs = None,
        dtype: Dtype = None,
        fout: Fout = Path("model"),
        resume: Resume = False,
        split_out: SplitOut = None,
        quiet: Quiet = False,
        as_json: Json = False,
    ) -> None:
        """Train with the name and options of the original workflow.py."""
        _run(None, files, labels, model, params, preproc, specs, dtype, fout, resume, split_out, quiet, as_json)


def _run(
    configuration: Path | None,
    files: str | None,
    labels: str | None,
    model: Path | None,
    params: Path | None,
    preproc: Path | None,
    specs: Path | None,
    dtype: Format | None,
    fout: Path,
    resume: bool,
    split_out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    from mlaas4hep.cli.console import Terminal
    from mlaas4hep.config.yaml_file import read_yaml
    from mlaas4hep.errors import ConfigError

    name = fout.name.removesuffix(".tar.gz").removesuffix(".tgz")
    if configuration is not None:
        extra = [
            o for o, v in (("--files", files), ("--labels", labels), ("--model", model), ("--params", params)) if v
        ]
        if extra:
            raise ConfigError(
                f"{configuration} and {', '.join(extra)} cannot be given together", hint="use one or the other"
            )
        workflow = read_yaml(configuration)
    else:
        workflow = legacy_workflow(files, labels, model, params, preproc, specs, dtype, name)

    from mlaas4hep.training.summary import render_summary
    from mlaas4hep.training.workflow import run_training

    terminal = Terminal(quiet=quiet)
    try:
        result = run_training(workflow, fout, terminal, resume=resume, split_out=split_out)
    except KeyboardInterrupt:
        typer.secho(
            "interrupted; the same command with --resume continues from the last checkpoint", fg="yellow", err=True
        )
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps({"bundle": str(result.bundle), "served": result.served, "metrics": result.metrics}))
    elif not quiet:
        report = result.bundle / "report.html" if result.bundle.is_dir() else f"report.html in {result.bundle}"
        typer.echo(
            render_summary(
                result.workflow.name,
                result.metrics,
                warnings=result.warnings,
                bundle=str(result.bundle),
                report=str(report),
            )
        )
