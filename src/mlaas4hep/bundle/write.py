"""Writing a bundle: a folder or a tar.gz, whole or not at all, the same content always with the same bytes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from mlaas4hep.atomic.files import beside, check_place, flush_file, flush_folder, output_error, replace
from mlaas4hep.atomic.through import is_open_end
from mlaas4hep.bundle.archive import is_archive_name, pack, read_member
from mlaas4hep.bundle.canonical import json_bytes
from mlaas4hep.bundle.clients import config_pbtxt, labels_txt, params_json
from mlaas4hep.bundle.manifest import Manifest, read_manifest
from mlaas4hep.bundle.sections import FileRecord
from mlaas4hep.errors import BundleError, OutputError

__all__ = ["BundleContents", "check_destination", "write_bundle"]


@dataclass(frozen=True)
class BundleContents:
    """Everything a bundle holds.

    Attributes:
        manifest: complete but for `files`, which is computed.
        onnx: content of model.onnx (see `to_bytes`), None if the native model is served.
        native: folder with the framework's own format; None for none.
        specs: content of specs.json; the order of its keys is kept.
        preproc: content of preproc.json; the order of its keys is kept.
        metrics: content of metrics.json.
        report: content of report.html.
        extra: further files by their path in the bundle.
    """

    manifest: Manifest
    onnx: bytes | None
    native: Path | None = None
    specs: Mapping[str, Any] = field(default_factory=dict)
    preproc: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    report: str = ""
    extra: Mapping[str, bytes] = field(default_factory=dict)


def write_bundle(destination: Path, contents: BundleContents, proof: Callable[[Path], None] | None = None) -> Path:
    """Write a bundle.

    Args:
        destination: a folder, or a file if the name ends in .tar.gz or .tgz. What is there is replaced if it is a
            bundle and nothing more.
        contents: what to write.
        proof: called with the folder of the finished bundle before it takes its place; what it raises ends the writing.

    Returns:
        The destination.

    Raises:
        OutputError: something else is there, no permission, the disk is full. Nothing half-written stays.
        BundleError: the contents contradict each other.
    """
    _check(contents)
    check_destination(destination)
    with beside(destination) as partial:
        if is_archive_name(destination):
            with beside(partial.with_suffix(".folder"), told=destination) as folder:
                manifest = _fill(folder, contents)
                _prove(proof, folder)
                pack(folder, partial, manifest.name, _seconds(manifest.created))
            flush_file(partial)
        else:
            _fill(partial, contents)
            _prove(proof, partial)
            for path in partial.rglob("*"):
                (flush_folder if path.is_dir() else flush_file)(path)
            flush_folder(partial)
        replace(partial, destination)
    return destination


def _prove(proof: Callable[[Path], None] | None, folder: Path) -> None:
    if proof is not None:
        proof(folder)


def check_destination(destination: Path) -> None:
    """Say now, before hours of training, if a bundle could not be written there.

    Raises:
        OutputError: something is there that is not a bundle, or the place is not writable.
    """
    try:
        if destination.exists() and not is_open_end(destination):
            _check_replaceable(destination)
    except OSError as error:
        raise output_error(error, destination) from error
    check_place(destination)
    if is_open_end(destination):
        raise OutputError("is a pipe or a device; a bundle is a folder or a file", where=str(destination))


def _check_replaceable(destination: Path) -> None:
    hint = "choose another name or remove it"
    if destination.is_dir():
        if is_archive_name(destination):
            what = "there is a folder of this name"
            raise OutputError(what, where=str(destination), hint=hint)
        there = {path.relative_to(destination).as_posix() for path in destination.rglob("*") if not path.is_dir()}
        if not there and not any(destination.iterdir()):
            return
        file = destination / "manifest.json"
        text = file.read_bytes() if file.is_file() else None
        for folder in (destination, *(path for path in destination.rglob("*") if path.is_dir())):
            check_place(folder / "new")
    else:
        there = set()
        text = read_member(destination, "manifest.json") if is_archive_name(destination) else None
    try:
        known = set(read_manifest(text or b"", str(destination)).files)
    except BundleError as error:
        what = "it exists and is not a model bundle"
        raise OutputError(what, where=str(destination), hint=hint) from error
    foreign = sorted(there - known - {"manifest.json"})
    if foreign:
        what = f"the existing bundle holds files that do not belong to it ({', '.join(foreign[:3])})"
        raise OutputError(what, where=str(destination), hint=hint)


def _check(contents: BundleContents) -> None:
    served = contents.manifest.served
    if served == "onnx" and contents.onnx is None:
        what = "the ONNX model is to be served, but there is none"
        raise BundleError(what)
    if served == "onnx" and contents.manifest.parity is not None and not contents.manifest.parity.agreed:
        what = "the ONNX model is to be served, but it does not agree with the native one"
        raise BundleError(what)
    if served == "native" and contents.native is None:
        what = "the native model is to be served, but there is none"
        raise BundleError(what)


def _fill(folder: Path, contents: BundleContents) -> Manifest:
    """Write all files into a new folder, the manifest last; the complete manifest."""
    manifest = contents.manifest
    folder.mkdir()
    files = {
        "specs.json": json_bytes(contents.specs, sort=False),
        "preproc.json": json_bytes(contents.preproc, sort=False),
        "metrics.json": json_bytes(contents.metrics),
        "report.html": contents.report.encode(),
        "params.json": json_bytes(params_json(manifest)),
        "labels.txt": labels_txt(manifest).encode(),
        "config.pbtxt": config_pbtxt(manifest).encode(),
    }
    if contents.onnx is not None and manifest.served == "onnx":
        files["model.onnx"] = contents.onnx
    for name, content in contents.extra.items():
        path = PurePosixPath(name)
        taken = name in {*files, "manifest.json"} or path.parts[:1] == ("native",)
        if taken or path.is_absolute() or ".." in path.parts or path.as_posix() != name:
            what = f"{name!r} cannot be the name of another file of a bundle"
            raise BundleError(what)
        files[name] = content
    for name, content in files.items():
        path_on_disk = folder / name
        path_on_disk.parent.mkdir(parents=True, exist_ok=True)
        path_on_disk.write_bytes(content)
    if contents.native is not None:
        _copy_native(contents.native, folder / "native")
    records = {path.relative_to(folder).as_posix(): record(path) for path in folder.rglob("*") if path.is_file()}
    complete = manifest.model_copy(update={"files": dict(sorted(records.items()))})
    (folder / "manifest.json").write_bytes(complete.to_json())
    return complete


def _copy_native(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            what = "the native model holds something other than files and folders"
            raise BundleError(what, where=str(path))
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def record(path: Path) -> FileRecord:
    """Return checksum and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(sha256=digest, bytes=path.stat().st_size)


def _seconds(created: str) -> int:
    return int(datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
