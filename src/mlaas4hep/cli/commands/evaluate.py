"""``evaluate``: the quality of a bundle on other files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlaas4hep.cli.options import (
    Bundle,
    Dtype,
    Files,
    Json,
    Labels,
    Names,
    Overwrite,
    QuietFigures,
    Redirector,
    TrustCode,
    Workers,
    names_of,
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

if TYPE_CHECKING:
    from mlaas4hep.config.sections.data import Reading, Sample

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep evaluate higgs --files other.txt --labels labels.txt --report report.html

  mlaas4hep evaluate higgs --workflow other.yaml --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def evaluate(
        bundle: Bundle,
        files: Files = None,
        labels: Labels = None,
        configuration: Annotated[
            Path | None,
            typer.Option("--workflow", help="YAML file whose samples are used instead of --files and --labels."),
        ] = None,
        report: Annotated[Path | None, typer.Option(help="Write the report page here.")] = None,
        redirector: Redirector = None,
        dtype: Dtype = None,
        names: Names = None,
        workers: Workers = None,
        on_bad_file: OnBadFile = None,
        max_bad: MaxBad = None,
        allow_skipped: AllowSkipped = False,
        overwrite: Overwrite = False,
        trust_code: TrustCode = False,
        quiet: QuietFigures = False,
        as_json: Json = False,
    ) -> None:
        """Score other files, compare with their labels, and print the figures."""
        from mlaas4hep.bundle.read import load_bundle
        from mlaas4hep.cli.console import Terminal
        from mlaas4hep.cli.outputs import Output, check_outputs, write_text
        from mlaas4hep.prediction.evaluate import evaluate_bundle
        from mlaas4hep.training.judging.summary import render_summary

        samples, label_branch, reading = _data(
            files, labels, configuration, redirector, missing=on_bad_file == OnBad.skip
        )
        reading = reading.model_copy(
            update={
                "workers": workers,
                **({"format": dtype.value} if dtype else {}),
                **({"names": tuple(names_of(names))} if names else {}),
            },
        )
        reading = with_skipping(reading, on_bad_file, max_bad)
        left_out = report_beside(report, reading)
        outputs = [Output("--report", report, "report"), *left_out] if report else []
        paths = [path for sample in samples for path in sample.files]
        check_outputs(outputs, [bundle, files, labels, configuration, paths], overwrite=overwrite)
        with skipping(reading, left_out, allowed=allow_skipped) as bad, load_bundle(bundle) as loaded:
            done = evaluate_bundle(
                loaded,
                samples,
                reading,
                Terminal(quiet=quiet),
                label_branch=label_branch,
                trust_code=trust_code,
                bad=bad,
            )
            if report is not None:
                write_text(report, done.report)
            if as_json:
                typer.echo(json.dumps({**done.metrics, "outside": done.outside.to_json()}))
            else:
                typer.echo(render_summary(done.name, done.metrics, report=str(report) if report else None))


def _data(
    files: str | None, labels: str | None, configuration: Path | None, redirector: str | None, *, missing: bool
) -> tuple[tuple[Sample, ...], str | None, Reading]:
    from mlaas4hep.config.legacy.samples import default_redirector, read_samples
    from mlaas4hep.config.sections.data import Reading
    from mlaas4hep.config.yaml_file import read_yaml
    from mlaas4hep.errors import ConfigError

    if configuration is not None:
        if files is not None or labels is not None:
            raise ConfigError(
                "--workflow cannot be given together with --files or --labels", hint="use one or the other"
            )
        given = read_yaml(configuration, missing=missing)
        reading = given.reading.model_copy(update={"redirector": redirector} if redirector else {})
        return given.samples, given.label_branch, reading
    if files is None or labels is None:
        raise ConfigError("no labelled files are given", hint="give --files and --labels, or --workflow")
    samples, label_branch = read_samples(files, labels, redirector, missing=missing)
    paths = (path for sample in samples for path in sample.files)
    return samples, label_branch, Reading(redirector=redirector or default_redirector(paths))
