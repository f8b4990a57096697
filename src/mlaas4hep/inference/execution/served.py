"""``served.json``: what a converted model is, beside its ``model.onnx`` or its original."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Kind
from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["FILE", "Served", "read_served", "write_served"]

FILE = "served.json"


@dataclass(frozen=True)
class Served:
    """Content of ``served.json``.

    Attributes:
        runtime: ``onnx`` (in the server) or ``worker`` (in a process of its own, by its framework).
        platform: as Triton calls it.
        framework: what the model was made with, in words.
        kind: format of the original.
        original: path of the original in the version's folder.
        inputs, outputs: the model's tensors.
        batched: the first axis of every tensor counts independent rows.
        classes: names of the columns of the first output.
        labels: content of labels.txt, a line each.
        params: content of params.json.
        difference: largest difference of the served from the original model, relative to the scale of the output.
        rows: number of rows compared.
        reason: why it is served by a worker; empty else.
        max_batch_size: of Triton's config.pbtxt, if there was one.
    """

    runtime: Literal["onnx", "worker"]
    platform: str
    framework: str
    kind: Kind
    original: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: bool
    classes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    difference: float | None = None
    rows: int = 0
    reason: str = ""
    max_batch_size: int | None = None


def write_served(folder: Path, served: Served) -> None:
    """Write the file into a version's folder."""
    (folder / FILE).write_text(json.dumps(asdict(served), indent=1) + "\n", encoding="utf-8")


def read_served(folder: Path) -> Served:
    """Read it again.

    Raises:
        ModelRefusedError: it is damaged.
    """
    try:
        data = json.loads((folder / FILE).read_bytes())
        for side in ("inputs", "outputs"):
            data[side] = tuple(
                TensorSpec(str(s["name"]), str(s["dtype"]), tuple(map(int, s["shape"])), tuple(map(str, s["columns"])))
                for s in data[side]
            )
        for names in ("classes", "labels"):
            data[names] = tuple(map(str, data[names]))
        return Served(**data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{FILE} cannot be read ({error})"
        raise ModelRefusedError(what) from error
