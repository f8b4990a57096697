"""Downloads of versions and their files."""

from __future__ import annotations

import asyncio
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.errors.serving import ModelNotFoundError
from mlaas4hep.inference.rest.forms import staging
from mlaas4hep.inference.rest.openapi import BINARY, BYTES, TFAAS, operation
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.responses import file_response
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls", "inside"]


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls that give out versions and their files."""
    own = _Downloads(resources)
    archive = operation(TFAAS, "Download a version", answer={"application/gzip": BINARY})
    file = operation(TFAAS, "Download a file of a version", answer={BYTES: BINARY})
    return [
        Call("GET", "/download/{model}", Right.READ, own.archive, archive),
        Call("GET", "/download/{model}/{version}", Right.READ, own.archive, archive),
        Call("GET", "/download/{model}/{version}/{path:path}", Right.READ, own.file, file),
    ]


class _Downloads:
    def __init__(self, resources: Resources) -> None:
        self._server = resources.server
        self._repository = resources.settings.repository

    async def archive(self, request: Request) -> Response:
        info = self._server.info(request.path_params["model"], request.path_params.get("version", ""))
        folder = self._server.files(info.name, info.version)
        with staging(self._repository) as place:
            path = place / "archive"
            try:
                await asyncio.to_thread(_pack, folder, path, info.name)
            except FileNotFoundError:
                raise ModelNotFoundError(f"model {info.name} version {info.version} is being deleted") from None
            return file_response(path, "application/gzip", f"{info.name}-{info.version}.tar.gz")

    async def file(self, request: Request) -> Response:
        model, version, name = (request.path_params[key] for key in ("model", "version", "path"))
        info = self._server.info(model, version)
        path = inside(self._server.files(info.name, info.version), name)
        if path is None:
            raise ModelNotFoundError(f"model {info.name} version {info.version} has no file {name[:200]!a}")
        return file_response(path, "application/octet-stream", path.name)


def inside(folder: Path, name: str) -> Path | None:
    """Return the file of a folder with this relative name; None if there is none, or it is hidden, or leads outside."""
    parts = name.split("/")
    if "\0" in name or any(part.startswith(".") or not part for part in parts):
        return None
    try:
        path = folder.joinpath(*parts).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except OSError:
        return None


def _plain(folder: Path, entry: Path) -> bool:
    """Return true for a file without a link on the way to it."""
    if entry.is_symlink() or not entry.is_file():
        return False
    inner = entry.relative_to(folder).parents
    return not any((folder / parent).is_symlink() for parent in inner if parent.parts)


def _pack(folder: Path, path: Path, top: str) -> None:
    """Write a tar.gz of the plain files, without links; of a model without a version number, nothing of the model's."""
    bare = folder.name == top
    with tarfile.open(path, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as tar:
        for entry in sorted(folder.rglob("*")):
            name = entry.relative_to(folder)
            if not _plain(folder, entry) or name.parts[0].startswith("."):
                continue
            if bare and name.as_posix() == "model.json":
                continue
            info = tarfile.TarInfo(f"{top}/{name.as_posix()}")
            with entry.open("rb") as file:
                stat = os.fstat(file.fileno())
                info.size, info.mtime, info.mode = stat.st_size, int(stat.st_mtime), 0o644
                tar.addfile(info, file)
