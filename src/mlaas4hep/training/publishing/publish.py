"""Write the bundle of a training, and read it back before it is published."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.canonical import json_bytes
from mlaas4hep.bundle.manifest import Manifest
from mlaas4hep.bundle.parity import same_scores
from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.bundle.sections import PREPROCESSING_FILE
from mlaas4hep.bundle.write import BundleContents, write_bundle
from mlaas4hep.errors import BundleError
from mlaas4hep.features.statistics.specs import legacy_specs
from mlaas4hep.streaming.user_function.function import EventFunction
from mlaas4hep.training.events.first_pass import FirstPass
from mlaas4hep.training.fitting.fit import Trained
from mlaas4hep.training.fitting.native import save_native
from mlaas4hep.training.publishing.manifest import preproc_of

__all__ = ["publish"]


def publish(
    destination: Path,
    manifest: Manifest,
    trained: Trained,
    *,
    source: Path,
    onnx: bytes | None,
    metrics: Mapping[str, Any],
    report: str,
    rows: NDArray[np.float32],
    function: EventFunction | None = None,
    bad_files: Mapping[str, Any] | None = None,
) -> Path:
    """Write the bundle, after it was read back and gave the scores of the trained model for some events.

    Args:
        destination: the bundle.
        manifest: of it.
        trained: the model.
        source: the user's model file.
        onnx: the model that takes raw columns, if there is one.
        metrics: content of ``metrics.json``.
        report: content of ``report.html``.
        rows: raw columns of events that the written bundle is tried with, float32 [N, D].
        function: of the user, through which the events went.
        bad_files: content of ``bad_files.json``; None: no file could be left out.

    Raises:
        BundleError: the written bundle cannot be loaded, or gives other scores.
    """
    with tempfile.TemporaryDirectory(prefix="mlaas4hep-") as folder:
        native = Path(folder) / "native"
        native.mkdir()
        save_native(trained.backend, trained.model, native, source, trained.labelled.labels.task, trained.target)
        contents = BundleContents(
            manifest=manifest,
            onnx=onnx,
            native=native,
            specs=_specs(trained.first),
            preproc=preproc_of(trained.first),
            metrics=metrics,
            report=report,
            extra={
                **({PREPROCESSING_FILE: function.source} if function else {}),
                **({"bad_files.json": json_bytes(bad_files)} if bad_files is not None else {}),
            },
        )
        return write_bundle(destination, contents, lambda written: _read_back(written, trained, rows))


def _specs(first: FirstPass) -> dict[str, Any]:
    """Return the content of ``specs.json``."""
    pairs = sorted(zip(first.files, first.scan.files, strict=True), key=lambda pair: pair[0].index)
    specs = first.scan.specs
    return {
        **legacy_specs(specs, {file.path: found.used for file, found in pairs}),
        "fitted_on": "training events",
        "training_events": specs.events,
        "branches": specs.to_json()["branches"],
    }


def _read_back(written: Path, trained: Trained, rows: NDArray[np.float32]) -> None:
    with load_bundle(written) as bundle:
        scores = bundle.scorer(threads=1, trust_code=True).scores(rows)
    if not same_scores(scores, trained.predict(trained.choice.layout.transform(rows))):
        what = "the scores of the written bundle differ from those of the trained model, so it is not published"
        raise BundleError(what, where=str(written))
