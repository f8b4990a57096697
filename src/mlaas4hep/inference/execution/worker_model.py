"""The other side of `WorkerRuntime`, in the child process: loads one model and runs it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlaas4hep.inference.execution.natives import open_native
from mlaas4hep.sandbox.child import Loaded
from mlaas4hep.sandbox.messages import Arrays

__all__ = ["load"]


def load(question: dict[str, Any]) -> Loaded:
    """Load the model in ``folder``, with ``threads`` threads; questions after that name the ``outputs`` wanted."""
    native = open_native(Path(question["folder"]), int(question["threads"]))

    def run(question: dict[str, Any], inputs: Arrays) -> tuple[dict[str, Any], Arrays]:
        found = native.run(inputs)
        wanted = question["outputs"]
        return {}, found if wanted is None else {name: found[name] for name in wanted}

    sides = {"inputs": native.inputs, "outputs": native.outputs}
    about = {"platform": native.platform, "batched": native.batched}
    return Loaded({**about, **{side: [asdict(spec) for spec in specs] for side, specs in sides.items()}}, run)
