"""ROOT files: find the tree that is asked for, whatever its kind, and open the right reader."""

from __future__ import annotations

import difflib
import functools
import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import TreeNotFoundError
from mlaas4hep.errors.findings import few
from mlaas4hep.streaming.readers.base import Source
from mlaas4hep.streaming.readers.root.directory import damage, open_directory

if TYPE_CHECKING:
    from mlaas4hep.streaming.readers.ttree.metadata import PlainTree

__all__ = ["contents", "is_tree", "list_objects", "list_trees", "open_root"]

_TTREES = ("TTree", "TNtuple", "TNtupleD", "TChain")
_RNTUPLE = "ROOT::RNTuple"


def open_root(path: str, tree: str | None) -> Source:
    """Open a TTree or RNTuple.

    Args:
        path: a local path or URL.
        tree: path of the tree, if need be with a cycle (``Events;2``; default: the newest); None: the only one.

    Raises:
        FileReadError: the file cannot be read.
        TreeNotFoundError: no such tree, or it is something else; the hint lists the trees there are.
    """
    directory = open_directory(path)
    try:
        name = _choose(directory, path) if tree is None else tree.strip("/")
        kind = _kind(directory, path, name)
        identity = f"{_identity(directory)}:{name}"
        if kind == _RNTUPLE:
            from mlaas4hep.streaming.readers.rntuple.source import RNTupleSource

            return RNTupleSource(path, name, _load(directory, path, name), identity)
        from mlaas4hep.streaming.readers.ttree.source import TTreeSource

        with _without_garbage_collection():
            plain = _plain(directory, name, kind)
            load = functools.partial(_load, directory, path, name)
            return TTreeSource(path, name, directory.file, load, plain, identity)
    except BaseException:
        directory.close()
        raise


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """A tree of 1000 branches is 20 thousand objects, none of them garbage; to look for some takes a quarter more."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _models_kept() -> Iterator[None]:
    """Of a damaged file uproot would take the description of TBranch, and then read no other file of the process."""
    import uproot

    known = [getattr(model, "known_versions", {}) for model in uproot.classes.values()]
    before = [dict(versions) for versions in known]
    try:
        yield
    finally:
        for versions, old in zip(known, before, strict=True):
            versions.update(old)


def list_objects(path: str) -> list[tuple[str, str]]:
    """Return all objects of a ROOT file but folders: (path in the file, class name), the newest cycle of each."""
    with open_directory(path) as directory:
        return [(name, kind) for name, kind in _objects(directory, path) if not kind.startswith("TDirectory")]


def contents(path: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Trees of a ROOT file, and its other objects but folders, as `list_objects` gives them."""
    objects = list_objects(path)
    return [item for item in objects if is_tree(item[1])], [item for item in objects if not is_tree(item[1])]


def list_trees(path: str) -> list[tuple[str, str, int]]:
    """Trees of a ROOT file, in folders too: (path in the file, class name, entries); the newest cycle of each.

    Raises:
        FileReadError: the file, or one of its trees, cannot be read.
    """
    with open_directory(path) as directory:
        return [
            (name, kind, _entries(directory, path, name)) for name, kind in _objects(directory, path) if is_tree(kind)
        ]


def _objects(directory: Any, path: str) -> list[tuple[str, str]]:
    newest: dict[str, tuple[int, str]] = {}
    try:
        for key, kind in directory.iterclassnames(recursive=True, cycle=True):
            name, _, cycle = key.rpartition(";")
            if name not in newest or int(cycle) > newest[name][0]:
                newest[name] = (int(cycle), kind)
    except Exception as error:
        raise damage(path, error, "its table of contents cannot be read") from error
    return [(name, kind) for name, (_, kind) in newest.items()]


def is_tree(kind: str) -> bool:
    """Return whether objects of this class are trees that can be read."""
    return kind in _TTREES or kind == _RNTUPLE


def _choose(directory: Any, path: str) -> str:
    names = [name for name, kind in _objects(directory, path) if is_tree(kind)]
    if len(names) == 1:
        return names[0]
    if not names:
        raise TreeNotFoundError("holds no tree", where=path, hint=_contents(directory, path))
    hint = f"name one, e.g. {path}:{names[0]}; there are {few(names)}"
    raise TreeNotFoundError("holds several trees", where=path, hint=hint)


def _kind(directory: Any, path: str, name: str) -> str:
    """The class of a tree."""
    import uproot

    try:
        kind = directory.classname_of(name)
    except (uproot.exceptions.KeyInFileError, KeyError, ValueError, AttributeError) as error:
        raise TreeNotFoundError(f"no tree {name!r}", where=path, hint=_contents(directory, path, name)) from error
    except Exception as error:
        raise damage(path, error, "its table of contents cannot be read") from error
    if not is_tree(str(kind)):
        what = "a folder" if str(kind).startswith("TDirectory") else f"a {kind}"
        old = ", written by a version of ROOT before the format was final" if "RNTuple" in str(kind) else ""
        raise TreeNotFoundError(
            f"{name!r} is {what}{old}, not a tree", where=path, hint=_contents(directory, path, name)
        )
    return str(kind)


def _load(directory: Any, path: str, name: str) -> Any:
    """A tree as uproot reads it."""
    try:
        with _without_garbage_collection(), _models_kept():
            return directory[name]
    except Exception as error:
        raise damage(path, error, f"tree {name} cannot be read") from error


def _entries(directory: Any, path: str, name: str) -> int:
    plain = _plain(directory, name, _kind(directory, path, name))
    return int(_load(directory, path, name).num_entries) if plain is None else plain.entries


def _plain(directory: Any, name: str, kind: str) -> PlainTree | None:
    """A tree that can be read without uproot; None also if its bytes cannot be read, which `_load` then says."""
    from mlaas4hep.streaming.readers.ttree.baskets.switch import switched_on
    from mlaas4hep.streaming.readers.ttree.metadata import plain_tree

    if kind != "TTree" or not switched_on():
        return None
    try:
        key = directory.key(name)
        chunk, _ = key.get_uncompressed_chunk_cursor()
        return plain_tree(_bytes(chunk.raw_data), int(key.fKeylen))
    except Exception:
        return None


def _bytes(array: NDArray[np.uint8]) -> bytes:
    """The bytes of an array, without a copy of some megabytes if it shows the whole of what was read."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, bytes) and len(base) == array.nbytes and array.flags.c_contiguous:
        return base
    return array.tobytes()


def _contents(directory: Any, path: str, wanted: str = "") -> str:
    objects = _objects(directory, path)
    trees = [name for name, kind in objects if is_tree(kind)]
    if trees:
        near = difflib.get_close_matches(wanted, trees, n=1)
        first = near + [name for name in trees if name not in near]
        return (
            f"trees in the file: {few(first)}; choose one by naming it with the file: {PurePath(path).name}:{first[0]}"
        )
    others = [f"{name} ({kind})" for name, kind in objects if not kind.startswith("TDirectory")]
    return f"there is no tree in the file, only {few(others)}" if others else "the file holds no objects"


def _identity(directory: Any) -> str:
    uuid = directory.file.uuid
    if uuid.int:
        return str(uuid.hex)
    source = directory.file.source
    size = int(directory.file.fEND)
    head = source.chunk(0, min(size, 1 << 16)).raw_data.tobytes()
    tail = source.chunk(max(0, size - (1 << 16)), size).raw_data.tobytes()
    return hashlib.blake2b(f"{size}:".encode() + head + tail, digest_size=16).hexdigest()
