"""``predict``: scores for every entry of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.cli.options import (
    Bundle,
    DataFiles,
    Dtype,
    Json,
    Names,
    Overwrite,
    Quiet,
    Redirector,
    TrustCode,
    Workers,
)
from mlaas4hep.cli.skipping import (
    AllowSkipped,
    MaxBad,
    OnBadFile,
    report_beside,
    skipping,
    with_skipping,
)

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep predict higgs data.root -o scores.root

  mlaas4hep predict higgs.tar.gz root://host//store/a.root root://host//store/b.root -o scores.parquet
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def predict(
        bundle: Bundle,
        files: DataFiles,
        output: Annotated[Path, typer.Option("--output", "-o", help="scores.root, .parquet or .csv.")],
        tree: Annotated[str | None, typer.Option(help="The tree, if it differs from the one in training.")] = None,
        redirector: Redirector = None,
        dtype: Dtype = None,
        names: Names = None,
        workers: Workers = None,
        on_bad_file: OnBadFile = None,
        max_bad: MaxBad = None,
        allow_skipped: AllowSkipped = False,
        threads: Annotated[int | None, typer.Option(min=1, help="Threads of the model.")] = None,
        overwrite: Overwrite = False,
        trust_code: TrustCode = False,
        quiet: Quiet = False,
        as_json: Json = False,
    ) -> None:
        """Write one row for each entry: file, entry, selected, score, identifiers, weight."""
        from mlaas4hep.bundle.read import load_bundle
        from mlaas4hep.cli.console import Terminal
        from mlaas4hep.cli.outputs import Output, check_outputs
        from mlaas4hep.cli.workflows import validated
        from mlaas4hep.config.sections.data import Reading
        from mlaas4hep.prediction.output import check_output
        from mlaas4hep.prediction.predict import predict_files

        form = dtype.value if dtype else None
        reading = validated(
            Reading, {"redirector": redirector, "format": form, "names": names or (), "workers": workers}
        )
        check_output(output, overwrite=True)  # its suffix
        reading = with_skipping(reading, on_bad_file, max_bad)
        report = report_beside(output, reading)
        check_outputs([Output("--output", output, "scores"), *report], [bundle, files], overwrite=overwrite)
        with skipping(reading, report, allowed=allow_skipped) as bad, load_bundle(bundle) as loaded:
            done = predict_files(
                loaded,
                files,
                output,
                Terminal(quiet=quiet),
                tree=tree,
                reading=reading,
                threads=threads,
                trust_code=trust_code,
                overwrite=overwrite,
                bad=bad,
            )
            if as_json:
                found = {"entries": done.entries, "selected": done.selected, "outside": done.outside.to_json()}
                typer.echo(json.dumps({"output": str(output), **found}))
            elif not quiet:
                typer.echo(f"{done.entries} entries, {done.selected} selected: {output}")
