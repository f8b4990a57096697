"""Models that are zip files: which, told from the names inside."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Kind

__all__ = ["zip_kind"]

MEMBERS: Final = 100_000
BYTES: Final = 16 * 2**30


def zip_kind(path: Path) -> Kind | None:
    """Format of a zip file; None if unknown.

    Raises:
        ModelRefusedError: it is damaged, a torch pickle, or holds compiled code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        what = f"a damaged zip file ({error})"
        raise ModelRefusedError(what, where=path.name) from error
    if len(members) > MEMBERS or sum(member.file_size for member in members) > BYTES:
        raise ModelRefusedError("the zip file holds too much", where=path.name)
    names = {member.filename for member in members}
    inner = {name.partition("/")[2] for name in names}
    if {"config.json", "metadata.json"} <= names:
        return "keras"
    if "schema.json" in names:
        return "skops"
    if any(name.endswith((".so", ".dll", ".pyd")) for name in names):
        raise ModelRefusedError("the archive holds compiled code, which is never loaded", where=path.name)
    if "archive_format" in inner or "serialized_exported_program.json" in names:
        return "torch_export"
    if "data.pkl" in inner:
        if any(name.startswith("code/") for name in inner):
            return "torchscript"
        what = "a pickle of torch (a whole module or a state_dict) is never loaded: it can run any code"
        hint = "export the model with torch.export or torch.jit.script"
        raise ModelRefusedError(what, where=path.name, hint=hint)
    return None
