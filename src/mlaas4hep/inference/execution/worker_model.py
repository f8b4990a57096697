"""The other side of `WorkerRuntime`, in the child process: loads one model and runs it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle import load_bundle
from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.loading import load_native
from mlaas4hep.frameworks.tensors import FEATURES, SCORES, Tensors
from mlaas4hep.inference.repository.served_json import read_served
from mlaas4hep.sandbox.child import Loaded
from mlaas4hep.sandbox.messages import Arrays

__all__ = ["load", "open_native"]


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


def open_native(folder: Path, threads: int) -> Native:
    """Load the model of a version's folder by its framework."""
    if (folder / "manifest.json").is_file():
        return _bundle(folder, threads)
    served = read_served(folder)
    source = Source(
        kind=served.kind,
        path=folder / served.original,
        inputs=served.inputs,
        outputs=served.outputs,
        batch=served.batched,
        params=served.params,
        labels=served.labels,
        threads=threads,
    )
    native = load_native(source)
    return Native(native.platform, served.inputs, served.outputs, native.run, served.batched, served.classes)


def _bundle(folder: Path, threads: int) -> Native:
    bundle = load_bundle(folder)
    manifest = bundle.manifest
    scorer = bundle.native_scorer(threads=threads)

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        return {SCORES: scorer.scores(np.asarray(inputs[FEATURES], np.float32))}

    given, made = manifest.tensors
    return Native(manifest.framework, (given,), (made,), run, batched=True, classes=manifest.classes)
