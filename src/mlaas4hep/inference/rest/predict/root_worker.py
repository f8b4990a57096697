"""The process that scores one file for ``POST /predict/root``; reads its job from standard input, answers in JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Run the job and print what came of it: ``{"entries", "selected"}`` or ``{"error"}``."""
    from mlaas4hep.errors import MLaaS4HEPError
    from mlaas4hep.inference.execution.sandbox import confine
    from mlaas4hep.inference.rest.predict.root_urls import only_allowed

    job: dict[str, Any] = json.load(sys.stdin)
    confine(job["memory"], files=job["size"])
    only_allowed(job["urls"])
    try:
        answer = _predict(job)
    except MLaaS4HEPError as error:
        answer = {"error": str(error).replace(job["place"], "")}
    except MemoryError:
        answer = {"error": "the file needs more memory than is allowed"}
    sys.stdout.write(json.dumps(answer))


def _predict(job: dict[str, Any]) -> dict[str, Any]:
    from mlaas4hep.bundle.read import load_bundle
    from mlaas4hep.config.sections.data import Reading
    from mlaas4hep.prediction.predict import predict_files
    from mlaas4hep.streaming.monitor import Collector

    with load_bundle(Path(job["bundle"])) as bundle:
        done = predict_files(
            bundle,
            [job["source"]],
            Path(job["output"]),
            Collector(),
            tree=job["tree"],
            reading=Reading(),
            threads=job["threads"],
        )
    return {"entries": done.entries, "selected": done.selected}


if __name__ == "__main__":
    main()
