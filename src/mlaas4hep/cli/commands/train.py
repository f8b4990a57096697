"""``train`` and ``workflow``: from files to a model bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.cli.options import (
    Dtype,
    Files,
    Json,
    Labels,
    Model,
    Overwrite,
    Params,
    Preproc,
    Quiet,
    Specs,
)
from mlaas4hep.cli.skipping import (
    AllowSkipped,
    MaxBad,
    OnBad,
    OnBadFile,
    report_beside,
    skipping,
    with_skipping,
)
from mlaas4hep.cli.stopping import say_stopped, stop_code
from mlaas4hep.cli.workflows import Original, configured, noticed

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep train workflow.yaml --fout higgs

  mlaas4hep train --files files.txt --labels labels.txt --model model.py --params params.json --fout higgs.tar.gz

  mlaas4hep train workflow.yaml --fout higgs --cache /scratch/$USER/mlaas4hep
"""

WORKFLOW_EXAMPLES = """
Examples:

  mlaas4hep workflow --files files.txt --labels labels.txt --model model.py --params params.json --fout higgs

  mlaas4hep workflow --files a.root,b.root --labels 1,0 --model model.py --params params.json --preproc preproc.json
"""

NAMES_OF_FILES = {
    ".h5", ".hdf5", ".joblib", ".json", ".keras", ".onnx", ".pb", ".pickle", ".pkl", ".pt", ".pth", ".sav", ".skops",
    ".txt", ".ubj",
}  # fmt: skip
"""Endings of files that one framework or another writes a model into."""

Configuration = Annotated[
    Path | None,
    typer.Argument(metavar="WORKFLOW.YAML", help="One file instead of --files, --labels, --model and so on."),
]
Fout = Annotated[Path, typer.Option(help="The bundle to write: a folder, or a name that ends in .tar.gz.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted training from its checkpoint.")]
Cache = Annotated[
    Path | None, typer.Option(help="Folder that keeps specs and feature columns for later epochs and trainings.")
]
SplitOut = Annotated[
    Path | None, typer.Option(help="Write the part (train, validation, test) of every event into this Parquet file.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train", epilog=EXAMPLES, help="Train a model on files and write a self-contained bundle.")(_train)
    app.command(
        "workflow", epilog=WORKFLOW_EXAMPLES, help="Train with the name and options of the original workflow.py."
    )(_train)


def _train(
    configuration: Configuration = None,
    files: Files = None,
    labels: Labels = None,
    model: Model = None,
    params: Params = None,
    preproc: Preproc = None,
    specs: Specs = None,
    dtype: Dtype = None,
    fout: Fout = Path("model"),
    resume: Resume = False,
    cache: Cache = None,
    split_out: SplitOut = None,
    on_bad_file: OnBadFile = None,
    max_bad: MaxBad = None,
    allow_skipped: AllowSkipped = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    from mlaas4hep.training.user_code.imports import importing

    with importing():
        from mlaas4hep.cli.console import Terminal
        from mlaas4hep.cli.outputs import Output, check_outputs, files_of
        from mlaas4hep.training.fitting.checkpoint import checkpoint_folder
        from mlaas4hep.training.judging.summary import render_summary
        from mlaas4hep.training.workflow import run_training

    with noticed() as notices:
        original = Original(files, labels, model, params, preproc, specs, dtype)
        workflow = configured(configuration, original, fout, missing=on_bad_file == OnBad.skip)
    reading = with_skipping(workflow.reading, on_bad_file, max_bad)
    workflow = workflow.model_copy(update={"reading": reading})
    if cache is not None:
        reading = workflow.reading.model_copy(update={"cache": cache.absolute()})
        workflow = workflow.model_copy(update={"reading": reading})
    outputs = [
        Output("--fout", fout, "bundle"),
        *([Output("--split-out", split_out, "split")] if split_out else []),
        *([Output("histograms", workflow.histograms, "folder")] if workflow.histograms else []),
        *([Output("cache", workflow.reading.cache, "folder")] if workflow.reading.cache else []),
    ]
    report = report_beside(fout, workflow.reading)
    outputs += report
    given = [configuration, files, labels, model, params, preproc, specs]
    check_outputs(outputs, [*given, files_of(workflow)], overwrite=overwrite)
    terminal = Terminal(quiet=quiet)
    with skipping(workflow.reading, report, allowed=allow_skipped) as bad:
        try:
            result = run_training(
                workflow, fout, terminal, notices=notices, resume=resume, split_out=split_out, bad=bad
            )
        except KeyboardInterrupt:
            more = "; the same command with --resume continues from the last checkpoint"
            say_stopped(more if checkpoint_folder(fout).exists() else "")
            raise typer.Exit(stop_code()) from None
        if as_json:
            facts = {"bundle": str(result.bundle), "served": result.served, "waiting": result.waiting}
            typer.echo(json.dumps({**facts, "metrics": result.metrics}))
        elif not quiet:
            page = result.bundle / "report.html" if result.bundle.is_dir() else f"report.html in {result.bundle}"
            typer.echo(
                render_summary(
                    result.workflow.name,
                    result.metrics,
                    warnings=result.warnings,
                    bundle=str(result.bundle),
                    report=str(page),
                )
            )
            place = _native_place(result.bundle)
            if place:
                typer.echo(f"\n{place}")


def _native_place(bundle: Path) -> str | None:
    """For a bundle that is called like one framework's file: that it is a folder, and where such a file is."""
    if bundle.suffix.lower() not in NAMES_OF_FILES or not bundle.is_dir():
        return None
    found = sorted(path for path in (bundle / "native").glob("model.*") if path.suffix != ".py")
    return f"{bundle} is a folder, the bundle; the framework's own file is {found[0]}" if found else None
