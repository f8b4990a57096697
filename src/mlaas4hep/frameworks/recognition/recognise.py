"""Which file of an upload is the model, and of which format. Names are not trusted, content is; nothing is loaded."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Kind
from mlaas4hep.frameworks.recognition.archives import zip_kind
from mlaas4hep.frameworks.recognition.pickles import PICKLE_NAMES, is_pickle
from mlaas4hep.frameworks.recognition.wire import Bytes, protobuf_kind

__all__ = ["recognise"]

HINTS: Final = {"params.json", "config.pbtxt", "labels.txt", "labels.csv", "upload.json", "fingerprint.pb"}
HEAD: Final = 4096
FORMATS: Final = (
    "known are ONNX, TensorFlow SavedModel and frozen graph, Keras .keras and .h5, TorchScript, torch.export .pt2, "
    "XGBoost .json and .ubj, LightGBM text, skops, and this package's bundles"
)


def recognise(source: Path) -> tuple[Kind, Path]:
    """Find the model.

    Args:
        source: a file, or a folder; of several versions (folders named by numbers) the highest counts.

    Returns:
        Its format, and the file; for a SavedModel the folder.

    Raises:
        ModelRefusedError: there is none, there are several, or it is of a format that is never loaded.
    """
    if source.is_file():
        return _of_file(source)
    saved = [path.parent for path in source.rglob("saved_model.pb") if path.is_file()]
    if saved:
        return "savedmodel", max(saved, key=lambda path: (_version(path), -len(path.parts)))
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and not _is_hint(path, source)]
    found: list[tuple[Kind, Path]] = []
    refusals: list[ModelRefusedError] = []
    for path in files:
        try:
            found.append(_of_file(path))
        except ModelRefusedError as error:
            refusals.append(error)
    newest = max((_version(path.parent) for _, path in found), default=-1)
    best = [item for item in found if _version(item[1].parent) == newest]
    if len(best) == 1:
        return best[0]
    if best:
        names = ", ".join(str(path.relative_to(source)) for _, path in best[:3])
        what = f"the upload holds several models ({names})"
        raise ModelRefusedError(what, hint="upload one at a time")
    refused = [error for error in refusals if error.hint != FORMATS]
    if refused or len(refusals) == 1:
        raise (refused or refusals)[0]
    what = "the upload holds no model"
    raise ModelRefusedError(what, hint=FORMATS)


def _of_file(path: Path) -> tuple[Kind, Path]:
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ModelRefusedError("the file is empty", where=path.name)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            kind = _of_bytes(path, data)
    if kind is None:
        raise ModelRefusedError("the format of the file is not known", where=path.name, hint=FORMATS)
    return kind, path


def _of_bytes(path: Path, data: Bytes) -> Kind | None:
    head = bytes(data[:HEAD])
    if head.startswith(b"PK\x03\x04"):
        return zip_kind(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras_h5"
    if head.startswith((b"binf", b"bs64")) or (path.suffix == ".xgb" and not head.startswith(b"{")):
        what = "a legacy XGBoost binary file is not loaded"
        raise ModelRefusedError(what, where=path.name, hint="save it again as .ubj or .json with save_model")
    if path.suffix.lower() in PICKLE_NAMES or is_pickle(data):
        what = "pickles are never loaded: they can run any code"
        hint = "export the model: skops or ONNX for scikit-learn, torch.export or TorchScript for torch"
        raise ModelRefusedError(what, where=path.name, hint=hint)
    if head.startswith(b"{") and b"learner" in head:
        return "xgboost"
    if head.lstrip().startswith(b"{"):
        return "xgboost" if data.find(b'"learner"') >= 0 and data.find(b'"gradient_booster"') >= 0 else None
    if head.startswith(b"tree\n") and b"\nversion=" in head:
        return "lightgbm"
    kind = protobuf_kind(data)
    if kind == "savedmodel":
        what = "of a SavedModel only the graph was sent"
        raise ModelRefusedError(what, where=path.name, hint="send its whole folder as tar.gz")
    return kind


def _is_hint(path: Path, source: Path) -> bool:
    parts = path.relative_to(source).parts
    return path.name in HINTS or any(part.startswith(".") for part in parts)


def _version(folder: Path) -> int:
    return int(folder.name) if folder.name.isdecimal() and len(folder.name) < 20 else -1
