"""Files and whole versions out of the repository."""

from __future__ import annotations

import asyncio
import os
import tarfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mlaas4hep.errors.serving import ModelNotFoundError
from mlaas4hep.inference.rest.openapi import BINARY, BYTES, TFAAS, operation
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.uploads import staging
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls", "file_response", "inside"]

BLOCK = 1 << 20


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls that give out versions and their files."""
    own = _Downloads(resources.server, resources.settings)
    archive = operation(TFAAS, "Download a version", answer={"application/gzip": BINARY})
    file = operation(TFAAS, "Download a file of a version", answer={BYTES: BINARY})
    return [
        Call("GET", "/download/{model}", Right.READ, own.archive, archive),
        Call("GET", "/download/{model}/{version}", Right.READ, own.archive, archive),
        Call("GET", "/download/{model}/{version}/{path:path}", Right.READ, own.file, file),
    ]


class _Downloads:
    """``GET /download/{model}/{version}``: a version as a tar.gz, or one file of it."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._settings = settings

    async def archive(self, request: Request) -> Response:
        """A whole version, by default the one that answers predictions."""
        info = self._server.info(request.path_params["model"], request.path_params.get("version", ""))
        folder = self._server.files(info.name, info.version)
        with staging(self._settings.repository) as place:
            path = place / "archive"
            try:
                await asyncio.to_thread(_pack, folder, path, info.name)
            except FileNotFoundError:
                raise ModelNotFoundError(f"model {info.name} version {info.version} is being deleted") from None
            return file_response(path, "application/gzip", f"{info.name}-{info.version}.tar.gz")

    async def file(self, request: Request) -> Response:
        """One file of a version."""
        model, version, name = (request.path_params[key] for key in ("model", "version", "path"))
        info = self._server.info(model, version)
        path = inside(self._server.files(info.name, info.version), name)
        if path is None:
            raise ModelNotFoundError(f"model {info.name} version {info.version} has no file {name[:200]!a}")
        return file_response(path, "application/octet-stream", path.name)


def inside(folder: Path, name: str) -> Path | None:
    """The file of a folder with this relative name; None if there is none, or it is hidden, or leads outside."""
    parts = name.split("/")
    if "\0" in name or any(part.startswith(".") or not part for part in parts):
        return None
    try:
        path = folder.joinpath(*parts).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except OSError:
        return None


def file_response(path: Path, media_type: str, filename: str, headers: dict[str, str] | None = None) -> Response:
    """Stream a file that may be removed as soon as this returns.

    Raises:
        ModelNotFoundError: it was removed before.
    """
    try:
        file = path.open("rb")
    except OSError:
        raise ModelNotFoundError(f"{filename} is gone") from None
    size = os.fstat(file.fileno()).st_size
    plain = filename.encode("ascii", "replace").decode().replace('"', "_")
    fields = {"content-length": str(size), "content-disposition": f'attachment; filename="{plain}"', **(headers or {})}
    return _FileResponse(file, media_type, fields)


class _FileResponse(StreamingResponse):
    """Closes the file whatever happens; sends nothing for HEAD."""

    def __init__(self, file: IO[bytes], media_type: str, headers: dict[str, str]) -> None:
        super().__init__(_blocks(file), media_type=media_type, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "HEAD":
                await Response(None, 200, dict(self.headers), self.media_type)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._file.close()


async def _blocks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(file.read, BLOCK):
        yield block


def _plain(folder: Path, entry: Path) -> bool:
    """A file, and no link on the way to it."""
    if entry.is_symlink() or not entry.is_file():
        return False
    inner = entry.relative_to(folder).parents
    return not any((folder / parent).is_symlink() for parent in inner if parent.parts)


def _pack(folder: Path, path: Path, top: str) -> None:
    """A tar.gz of the plain files, without links; of a model without a version number, nothing of the model's."""
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
