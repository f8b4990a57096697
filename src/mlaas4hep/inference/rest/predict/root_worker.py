"""The scores of one file for ``POST /predict/root``, computed in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.config.sections.data import Reading
from mlaas4hep.errors.findings import few
from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.rest.predict.root_urls import only_allowed
from mlaas4hep.prediction.predict import predict_files
from mlaas4hep.streaming.monitor import Collector

__all__ = ["score"]


def score(question: dict[str, Any]) -> dict[str, Any]:
    """Score the file ``source`` by the ``bundle`` into ``output``; return the number of ``entries``."""
    only_allowed(question["urls"])
    with load_bundle(Path(question["bundle"])) as bundle:
        about = bundle.manifest.preprocessing
        if about is not None:
            what = f"files cannot be scored: the model's {about.file} computes its branches, and no server runs that"
            hint = (
                f"compute {few(about.computed, 8)} and send them to /predict, or use `mlaas4hep predict --trust-code`"
            )
            raise BadRequestError(what, hint=hint)
        done = predict_files(
            bundle,
            [question["source"]],
            Path(question["output"]),
            Collector(),
            tree=question["tree"],
            reading=Reading(),
            threads=question["threads"],
        )
    return {"entries": done.entries}
