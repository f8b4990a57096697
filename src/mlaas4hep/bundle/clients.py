"""What clients of other servers expect beside a model: params.json and labels.txt (TFaaS), config.pbtxt (Triton)."""

from __future__ import annotations

from typing import Any

from mlaas4hep.bundle.manifest import Manifest
from mlaas4hep.frameworks.tensors import FEATURES, SCORES

__all__ = ["BODY", "MAX_BATCH", "config_pbtxt", "labels_txt", "largest_batch", "params_json"]

MAX_BATCH = 65_536
BODY = 64 * 2**20
"""Bytes of a request body that a server takes, if nothing else is set."""
HEAD = 64 * 2**10
"""Bytes of a request that are not values."""


def largest_batch(given: int, answered: int, body: int = BODY, rows: int = MAX_BATCH) -> int:
    """Return the rows of the largest request that clients should send: a power of two that fits into a body as bytes.

    Args:
        given: bytes of the inputs of a row.
        answered: bytes of its outputs; answers may be twice as large as bodies.
        body: bytes of a request body.
        rows: of a request at most.

    Example:
        >>> largest_batch(4 * 338, 4)
        32768
    """
    fitting = min(MAX_BATCH, rows, (body - HEAD) // max(given, 1), (2 * body - HEAD) // max(answered, 1))
    return 1 << max(0, fitting.bit_length() - 1) if fitting > 0 else 1


def params_json(manifest: Manifest) -> dict[str, Any]:
    """Return the parameters TFaaS clients read, and `origins` of branches where they are not 0."""
    columns = "; ".join(meaning for output in manifest.outputs for meaning in output.meaning)
    origins = {branch.name: branch.origin for branch in manifest.features.branches if branch.origin}
    return {
        **({"origins": origins} if origins else {}),
        "name": manifest.name,
        "model": "model.onnx" if manifest.served == "onnx" else "native",
        "labels": "labels.txt",
        "op": "",
        "input_name": FEATURES,
        "output_name": SCORES,
        "img_channels": 0,
        "options": [],
        "input_node": FEATURES,
        "output_node": SCORES,
        "description": f"{manifest.framework} model, {manifest.task}: {columns}",
        "timestamp": manifest.created,
    }


def labels_txt(manifest: Manifest) -> str:
    """Return one class per line by index; for a regression the name of the target."""
    return "".join(f"{' '.join(name.split())}\n" for name in manifest.classes or (manifest.target or "value",))


def config_pbtxt(manifest: Manifest) -> str:
    """Return Triton's configuration: rows of D floats in, rows of K floats out, in batches up to a limit."""
    runtime = 'platform: "onnxruntime_onnx"' if manifest.served == "onnx" else 'backend: "mlaas4hep"'
    columns = manifest.layout.width
    return (
        f"name: {quoted(manifest.name)}\n"
        f"{runtime}\n"
        f"max_batch_size: {largest_batch(4 * columns, 4 * manifest.width)}\n"
        f"input [\n  {{\n    name: {quoted(FEATURES)}\n    data_type: TYPE_FP32\n    dims: [ {columns} ]\n  }}\n]\n"
        f"output [\n  {{\n    name: {quoted(SCORES)}\n    data_type: TYPE_FP32\n    dims: [ {manifest.width} ]\n"
        '    label_filename: "labels.txt"\n  }\n]\n'
        "dynamic_batching { }\n"
    )


def quoted(text: str) -> str:
    """Return a string of protobuf's text format."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
