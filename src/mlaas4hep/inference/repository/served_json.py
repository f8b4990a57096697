"""``served.json``: what a converted model is, beside its ``model.onnx`` or its original."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Kind
from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["FILE", "ServedModel", "read_served", "write_served"]

FILE = "served.json"


@dataclass(frozen=True)
class ServedModel:
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


_JSON = TypeAdapter(ServedModel)


def write_served(folder: Path, served: ServedModel) -> None:
    """Write the file into a version's folder."""
    (folder / FILE).write_bytes(_JSON.dump_json(served, indent=1) + b"\n")


def read_served(folder: Path) -> ServedModel:
    """Return the content of the file in a version's folder.

    Raises:
        ModelRefusedError: it is damaged.
    """
    try:
        return _JSON.validate_json((folder / FILE).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelRefusedError(f"{FILE} cannot be read ({where}: {first['msg']})") from error
    except OSError as error:
        raise ModelRefusedError(f"{FILE} cannot be read ({error})") from error
