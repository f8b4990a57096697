"""MD5 sums of a version's model files, named as Triton's checksum agent does; CMSSW compares them before it asks."""

from __future__ import annotations

import asyncio
import hashlib
from functools import lru_cache
from pathlib import Path

from mlaas4hep.inference.server import Server

__all__ = ["checksums"]


async def checksums(server: Server, model: str, version: str) -> dict[str, str]:
    """Return ``MD5:<sum>`` by ``<version>/<file>`` for what is executed: ``model.onnx``, else the native files.

    Sums are kept until a file changes, and are made in a thread.

    Args:
        server: knows the versions and where their files are.
        model: name of the model.
        version: a number or label; "": all versions, so that a client may pin any of them.

    Raises:
        ModelNotFoundError: no such model or version.
    """
    chosen = server.info(model, version)
    versions = [chosen.version] if version else [info.version for info in server.models() if info.name == chosen.name]
    folders = {number: server.files(chosen.name, number) for number in versions}
    return await asyncio.to_thread(_all_sums, folders)


def _all_sums(folders: dict[str, Path]) -> dict[str, str]:
    return {key: value for version, folder in folders.items() for key, value in _sums(folder, version).items()}


def _sums(folder: Path, version: str) -> dict[str, str]:
    files = [folder / "model.onnx"] if (folder / "model.onnx").is_file() else sorted((folder / "native").rglob("*"))
    sums: dict[str, str] = {}
    for file in files:
        if file.is_file():
            facts = file.stat()
            key = f"{version}/{file.relative_to(folder).as_posix()}"
            sums[key] = f"MD5:{_md5(file, facts.st_size, facts.st_mtime_ns, facts.st_ino)}"
    return sums


@lru_cache(maxsize=1024)
def _md5(file: Path, _size: int, _changed: int, _node: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
