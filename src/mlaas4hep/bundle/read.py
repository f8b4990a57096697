"""Reading a bundle: nothing in it is used before every file has been checked against the manifest."""

from __future__ import annotations

import json
import tempfile
import weakref
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from mlaas4hep.atomic.files import output_error
from mlaas4hep.atomic.scratch import scratch
from mlaas4hep.bundle.archive import unpack
from mlaas4hep.bundle.manifest import Manifest, read_manifest
from mlaas4hep.bundle.write import record
from mlaas4hep.errors import BundleError
from mlaas4hep.features.layout import Layout
from mlaas4hep.frameworks.scorer import Scorer

__all__ = ["Bundle", "load_bundle"]


class Bundle:
    """A verified bundle. Use it as a context manager, or call `close`: a tar.gz lies unpacked in a temporary folder.

    Attributes:
        manifest: what the model is.
        folder: where the files are.
        path: where the bundle was loaded from, for messages.
    """

    def __init__(self, manifest: Manifest, folder: Path, path: Path, temporary: ExitStack | None = None) -> None:
        self.manifest = manifest
        self.folder = folder
        self.path = path
        self._end = None if temporary is None else weakref.finalize(self, temporary.close)

    @cached_property
    def layout(self) -> Layout:
        """The feature layout."""
        return self.manifest.layout

    @cached_property
    def preproc(self) -> dict[str, Any]:
        """Content of preproc.json."""
        return self._json("preproc.json")

    @cached_property
    def specs(self) -> dict[str, Any]:
        """Content of specs.json."""
        return self._json("specs.json")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Content of metrics.json."""
        return self._json("metrics.json")

    def scorer(self, *, threads: int | None = None, trust_code: bool = False) -> Scorer:
        """Load the model that is to be served.

        Args:
            threads: threads of one prediction; None: the runtime's default.
            trust_code: run the ``model.py`` in the bundle, which a native torch model needs.

        Raises:
            BundleError: the model cannot be loaded, or would need code that is not trusted.
            FrameworkMissingError: the native model's framework is not installed.
        """
        if self.manifest.served == "onnx":
            from mlaas4hep.frameworks.onnx.scoring import OnnxScorer

            return OnnxScorer(self.folder / "model.onnx", threads=threads)
        return self.native_scorer(threads=threads, trust_code=trust_code)

    def native_scorer(self, *, threads: int | None = None, trust_code: bool = False) -> Scorer:
        """Load the native model, whichever is to be served. Arguments and errors as for `scorer`."""
        from mlaas4hep.bundle.native import NativeScorer

        return NativeScorer(self.folder / "native", self.manifest, threads=threads, trust_code=trust_code)

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        if self._end is not None:
            self._end()

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _json(self, name: str) -> dict[str, Any]:
        try:
            data = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError) as error:
            what = f"{name} cannot be read ({error})"
            raise BundleError(what, where=str(self.path)) from error
        if not isinstance(data, dict):
            what = f"{name} is not a JSON object"
            raise BundleError(what, where=str(self.path))
        return data


def load_bundle(path: Path | str) -> Bundle:
    """Open a bundle and verify it.

    Args:
        path: the folder, or the tar.gz.

    Raises:
        BundleError: there is no bundle; it is of another schema version; a file is missing, was added or changed; the
            archive is damaged or unsafe.
    """
    path = Path(path)
    if path.is_dir():
        return Bundle(_verified(path, path), path, path)
    if not path.exists():
        what = "there is no such bundle"
        raise BundleError(what, where=str(path))
    with ExitStack() as stack:
        try:
            folder = unpack(path, stack.enter_context(scratch()))
        except OSError as error:
            raise output_error(error, error.filename or tempfile.gettempdir()) from error
        return Bundle(_verified(folder, path), folder, path, stack.pop_all())


def _verified(folder: Path, path: Path) -> Manifest:
    """The manifest, after all files were found as it says."""
    where = str(path)
    file = folder / "manifest.json"
    if file.is_symlink() or not file.is_file():
        what = "this is not a model bundle: it has no manifest.json"
        raise BundleError(what, where=where)
    manifest = read_manifest(file.read_bytes(), where)
    there = {entry.relative_to(folder).as_posix(): entry for entry in folder.rglob("*") if not _plain_folder(entry)}
    links = sorted(name for name, entry in there.items() if entry.is_symlink() or not entry.is_file())
    if links:
        what = f"{links[0]} is a link or not a regular file"
        raise BundleError(what, where=where)
    hint = "copy or download the bundle again"
    missing = sorted(manifest.files.keys() - there.keys())
    if missing:
        what = f"{missing[0]} is missing{_more(missing)}"
        raise BundleError(what, where=where, hint=hint)
    added = sorted(there.keys() - manifest.files.keys() - {"manifest.json"})
    if added:
        what = f"{added[0]} does not belong to the bundle{_more(added)}"
        raise BundleError(what, where=where, hint="remove it, or put the bundle in a folder of its own")
    for name, expected in manifest.files.items():
        if record(there[name]) != expected:
            what = f"{name} is not what it was when the bundle was written (checksum)"
            raise BundleError(what, where=where, hint=hint)
    needed = "model.onnx" if manifest.served == "onnx" else "native/"
    if not any(name.startswith(needed) for name in manifest.files):
        what = f"{needed} is to be served but is not in the bundle"
        raise BundleError(what, where=where)
    return manifest


def _plain_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink()


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
