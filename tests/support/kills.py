"""A program that publishes a bundle over another one and is killed at every one of its steps in turn.

Arguments: the place, the bundle that is published, ``swap`` or ``renames``. Prints one line a kill: what was at the
place then, ``old``, ``new`` or ``nothing``, and what was left beside it after the next run.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from mlaas4hep.atomic import files
from mlaas4hep.atomic.alone import alone
from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.bundle.write import BundleContents, write_bundle

STEPS = ("os.", "shutil.", "open", "ctypes.", "fcntl.")


def _contents(bundle: Path, report: str) -> BundleContents:
    with load_bundle(bundle) as loaded:
        return BundleContents(
            manifest=loaded.manifest, onnx=(bundle / "model.onnx").read_bytes(), native=bundle / "native", report=report
        )


def _publish(place: Path, contents: BundleContents) -> None:
    with alone(place, print):
        write_bundle(place, contents)


def _killed(place: Path, contents: BundleContents, step: int) -> bool:
    """Publish in a child that kills itself before a step; false if it ended before."""
    child = os.fork()
    if not child:
        left = itertools.count(step, -1)

        def hook(event: str, _: object) -> None:
            if event.startswith(STEPS) and next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        _publish(place, contents)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _there(place: Path) -> str:
    if not place.exists():
        return "nothing"
    with load_bundle(place) as bundle:
        return (bundle.folder / "report.html").read_text()


def main() -> None:
    """Run."""
    place, bundle, way = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    if way == "renames":
        vars(files)["exchange"] = lambda _one, _other: False
    old, new = _contents(bundle, "old"), _contents(bundle, "new")
    for step in itertools.count():
        shutil.rmtree(place, ignore_errors=True)
        _publish(place, old)
        sys.stdout.flush()
        if not _killed(place, new, step):
            break
        found = _there(place)
        with alone(place, print):  # the next run
            after = _there(place)
        left = sorted(path.name for path in place.parent.iterdir() if path != place)
        sys.stdout.write(f"{' '.join([found, after, *left])}\n")


if __name__ == "__main__":
    main()
