"""The model's folder, as the server takes it, and the same packed for an upload."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.atomic.files import beside, replace
from mlaas4hep.bundle.archive import pack
from mlaas4hep.bundle.picture import SCALE
from mlaas4hep.errors import ConversionError
from mlaas4hep.frameworks.keras import MODEL_FILE
from mlaas4hep.frameworks.onnx.names import OPSET
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.training.backends.keras.backend import KerasBackend
from mlaas4hep.training.backends.onnx import conversion
from mlaas4hep.training.images.network import INPUT, OUTPUT
from mlaas4hep.training.images.pixels import Frame

__all__ = ["Published", "publish"]

ONNX_FILE = "model.onnx"
TOLERANCE = 1e-4
FOR_UPLOAD = (MODEL_FILE, "labels.txt", "params.json")
Published = tuple[Path, Path]


def publish(
    model: Any,
    place: Path,
    name: str,
    frame: Frame,
    classes: tuple[str, ...],
    metrics: dict[str, Any],
    rows: NDArray[np.float32],
    monitor: Monitor,
) -> Published:
    """Write ``place/name`` and ``place/name.tar.gz``, whole or not at all; what was there is replaced.

    Args:
        model: the trained network.
        place: folder of models.
        name: of the model.
        frame: of the pictures.
        classes: names by index.
        metrics: written as they are.
        rows: pictures [n, height, width, channels] on which the ONNX model has to agree with Keras.
        monitor: warned if there is no ONNX model, which a server needs to serve the folder as it is.

    Raises:
        OutputError: it cannot be written.
    """
    folder, archive = place / name, place / f"{name}.tar.gz"
    with beside(folder) as partial, beside(archive) as packed, beside(place / f"{name}.upload") as upload:
        partial.mkdir()
        upload.mkdir()
        KerasBackend().save(model, partial, Path())
        try:
            _write_onnx(model, partial / ONNX_FILE, frame, rows)
        except ConversionError as error:
            (partial / ONNX_FILE).unlink(missing_ok=True)
            monitor.warn(f"there is no {ONNX_FILE}: {error}; {archive.name} can be uploaded")
        (partial / "labels.txt").write_text("".join(f"{label}\n" for label in classes), encoding="utf-8")
        (partial / "params.json").write_text(json.dumps(_params(name, frame, classes), indent=1) + "\n", "utf-8")
        (partial / "metrics.json").write_text(json.dumps(_finite(metrics), indent=1, allow_nan=False) + "\n", "utf-8")
        for file in FOR_UPLOAD:
            (upload / file).hardlink_to(partial / file)
        pack(upload, packed, name, int(time.time()))
        replace(partial, folder)
        replace(packed, archive)
    return folder, archive


def _write_onnx(model: Any, path: Path, frame: Frame, rows: NDArray[np.float32]) -> None:
    """Convert, and compare with Keras.

    Raises:
        ConversionError: it cannot be converted, or differs.
    """
    import keras
    import onnxruntime

    signature = [keras.InputSpec(shape=(None, frame.height, frame.width, frame.channels), dtype="float32", name=INPUT)]
    with conversion(model):
        model.export(str(path), format="onnx", verbose=False, input_signature=signature, opset_version=OPSET)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: rows}
    difference = float(np.abs(session.run(None, given)[0] - np.asarray(model.predict_on_batch(rows))).max())
    if not difference <= TOLERANCE:
        raise ConversionError(f"the ONNX model differs from Keras by {difference:.2g}")


def _params(name: str, frame: Frame, classes: tuple[str, ...]) -> dict[str, Any]:
    """What TFaaS clients read, and how the server makes pixels of a picture."""
    return {
        "name": name,
        "model": MODEL_FILE,
        "labels": "labels.txt",
        "op": "",
        "input_name": INPUT,
        "output_name": OUTPUT,
        "img_channels": frame.channels,
        "options": {"image": {"scale": SCALE, "layout": "NHWC", "channels": frame.channels}},
        "input_node": INPUT,
        "output_node": OUTPUT,
        "description": f"residual network for pictures of {frame.height} x {frame.width}, {len(classes)} classes",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _finite(value: Any) -> Any:
    """Without numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
