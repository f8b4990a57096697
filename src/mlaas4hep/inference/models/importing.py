"""Import of uploads to a staged folder that can be published: unpacked safely, recognised, converted, loaded once."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
from collections.abc import Awaitable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from mlaas4hep.bundle import bundle_name, load_bundle
from mlaas4hep.bundle.archive import unpack
from mlaas4hep.errors import BundleError, MLaaS4HEPError
from mlaas4hep.errors.serving import BadRequestError, ModelRefusedError
from mlaas4hep.inference.execution.statistics import VersionStatistics
from mlaas4hep.inference.models.loading import OpenRuntime, load_version
from mlaas4hep.inference.repository.disk import read_object
from mlaas4hep.inference.repository.facts import facts_of
from mlaas4hep.inference.repository.folders import kind_of
from mlaas4hep.inference.repository.scan import VersionEntry
from mlaas4hep.inference.repository.verify import write_checksums
from mlaas4hep.inference.settings import Limits, Settings

__all__ = ["Convert", "Importer"]

GZIP = b"\x1f\x8b"
TAR = (257, b"ustar")


class Convert(Protocol):
    """Signature of `mlaas4hep.inference.conversion.upload.convert_upload`."""

    def __call__(self, source: Path, target: Path, params: Mapping[str, Any], limits: Limits, /) -> Awaitable[None]:
        """Fill `target` with what can be served."""


class Importer:
    """Makes versions of uploads.

    Args:
        settings: limits, threads.
        convert: converts foreign models.
        open_runtime: opens the result, as a test.
    """

    def __init__(self, settings: Settings, convert: Convert, open_runtime: OpenRuntime) -> None:
        self._settings = settings
        self._convert = convert
        self._open = open_runtime

    async def from_archive(self, archive: Path, stage: Path) -> tuple[Path, str]:
        """Make a version of a file: a bundle or anything else, as tar.gz, tar or a single file.

        Returns:
            The folder, somewhere in `stage`, and the name the upload gives itself.

        Raises:
            ModelRefusedError: it is damaged, unsafe or cannot be served; says why.
        """
        source = await asyncio.to_thread(self._unpacked, archive, stage)
        if source is None:
            single = stage / "single" / archive.name
            await asyncio.to_thread(_copy, archive, single)
            return await self._converted(single, {}, stage), _stem(archive)
        if (source / "manifest.json").exists():
            return source, await asyncio.to_thread(_bundle_name, source)
        folder = await self._converted(source, {}, stage)
        return folder, await asyncio.to_thread(_own_name, source, archive)

    async def from_parts(self, files: Mapping[str, Path], params: Mapping[str, Any], stage: Path) -> Path:
        """Make a version of TFaaS's form: the model's file, a file of labels, and its parameters.

        Raises:
            BadRequestError: there is no model among the files.
            ModelRefusedError: as `from_archive`.
        """
        model = files.get("model")
        if model is None:
            raise BadRequestError("the form holds no file `model`")
        source = await asyncio.to_thread(self._unpacked, model, stage)
        if source is not None and (source / "manifest.json").exists():
            await asyncio.to_thread(_bundle_name, source)
            return source
        source = await asyncio.to_thread(_gathered, source, files, params, stage)
        return await self._converted(source, params, stage)

    async def check(self, folder: Path, name: str) -> None:
        """Load the version once, before it is published.

        Raises:
            ModelRefusedError: it cannot be loaded, or fails on its first run.
        """
        kind = kind_of(folder)

        def load() -> None:
            entry = VersionEntry(name, "0", folder, kind, (), "", facts_of(folder, kind))
            load_version(entry, self._settings, VersionStatistics(), self._open).execution.close()

        try:
            await asyncio.to_thread(load)
        except ModelRefusedError:
            raise
        except MLaaS4HEPError as error:
            raise ModelRefusedError(f"the model does not run: {error.what}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelRefusedError(f"the model's description is damaged ({error})") from error

    async def _converted(self, source: Path, params: Mapping[str, Any], stage: Path) -> Path:
        target = stage / "version"
        await self._convert(source, target, params, self._settings.limits)
        await asyncio.to_thread(write_checksums, target)
        return target

    def _unpacked(self, archive: Path, stage: Path) -> Path | None:
        """Return the folder with an archive's content, None if the file is not an archive."""
        with archive.open("rb") as file:
            head = file.read(512)
        if head[TAR[0] : TAR[0] + len(TAR[1])] == TAR[1]:
            packed = stage / "archive.tar.gz"
            with archive.open("rb") as plain, gzip.open(packed, "wb", compresslevel=1) as zipped:
                shutil.copyfileobj(plain, zipped, 1 << 20)
            archive = packed
        elif not head.startswith(GZIP):
            return None
        folder = stage / "unpacked"
        folder.mkdir()
        try:
            return unpack(archive, folder, max_bytes=self._settings.limits.upload)
        except BundleError as error:
            raise ModelRefusedError(error.what, hint=error.hint) from error


def _bundle_name(folder: Path) -> str:
    try:
        with load_bundle(folder) as bundle:
            return bundle.manifest.name
    except BundleError as error:
        raise ModelRefusedError(error.what, hint=error.hint) from error


def _own_name(source: Path, archive: Path) -> str:
    """Return the name of the only folder, as in TFaaS; else that in params.json, else that of the archive."""
    if source.name != "unpacked" and not source.name.isdecimal():  # a number is a version
        return bundle_name(source.name)
    for folder in (source, *(path for path in source.iterdir() if path.is_dir())):
        try:
            name = read_object(folder / "params.json").get("name")
        except (OSError, ValueError):
            continue
        if isinstance(name, str) and name:
            return bundle_name(name)
    return _stem(archive)


def _stem(archive: Path) -> str:
    name = archive.name
    for ending in (".tar.gz", ".tgz", ".tar", archive.suffix):
        if ending and name.endswith(ending):
            return bundle_name(name.removesuffix(ending))
    return bundle_name(name)


def _gathered(source: Path | None, files: Mapping[str, Path], params: Mapping[str, Any], stage: Path) -> Path:
    """Gather the model, labels and params.json in one folder, under the names that params.json gives them."""
    if source is None:
        source = stage / "parts"
        source.mkdir()
        _copy(files["model"], source / _plain(params.get("model"), files["model"].name))
    if "labels" in files:
        _copy(files["labels"], source / _plain(params.get("labels"), "labels.txt"))
    (source / "params.json").write_text(json.dumps(dict(params)), encoding="utf-8")
    return source


def _plain(name: object, default: str) -> str:
    """Return a file's name without folders, or the default."""
    plain = PurePosixPath(name).name if isinstance(name, str) else ""
    return default if plain in {"", ".", ".."} or "\0" in plain or len(plain) > 200 else plain


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)
