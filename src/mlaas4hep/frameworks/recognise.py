"""Which file of an upload is the model, and of which format. Names are not trusted, content is; nothing is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Kind
from mlaas4hep.frameworks.recognition.peek import peeking
from mlaas4hep.frameworks.recognition.pickles import PICKLE_NAMES, is_pickle
from mlaas4hep.frameworks.registry import frameworks

__all__ = ["recognise"]

HINTS: Final = {"params.json", "config.pbtxt", "labels.txt", "labels.csv", "upload.json", "fingerprint.pb"}
COMPILED: Final = (".so", ".dll", ".pyd")


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
    refused = [error for error in refusals if error.hint != _known()]
    if refused or len(refusals) == 1:
        raise (refused or refusals)[0]
    what = "the upload holds no model"
    raise ModelRefusedError(what, hint=_known())


def _of_file(path: Path) -> tuple[Kind, Path]:
    with peeking(path) as file:
        if any(name.endswith(COMPILED) for name in file.members):
            raise ModelRefusedError("the archive holds compiled code, which is never loaded", where=path.name)
        for framework in frameworks():
            kind = framework.recognise(file)
            if kind is not None:
                return kind, path
        if path.suffix.lower() in PICKLE_NAMES or is_pickle(file.data):
            what = "pickles are never loaded: they can run any code"
            hint = "export the model: skops or ONNX for scikit-learn, torch.export or TorchScript for torch"
            raise ModelRefusedError(what, where=path.name, hint=hint)
    raise ModelRefusedError("the format of the file is not known", where=path.name, hint=_known())


def _known() -> str:
    titles = dict.fromkeys(known.title for framework in frameworks() for known in framework.formats)
    return f"known are {', '.join(titles)}, and this package's bundles"


def _is_hint(path: Path, source: Path) -> bool:
    parts = path.relative_to(source).parts
    return path.name in HINTS or any(part.startswith(".") for part in parts)


def _version(folder: Path) -> int:
    return int(folder.name) if folder.name.isdecimal() and len(folder.name) < 20 else -1
