"""ROOT files: find the tree that is asked for, whatever its kind, and open the right reader."""

from __future__ import annotations

import difflib
import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlaas4hep.errors import TreeNotFoundError
from mlaas4hep.streaming.readers.common import LabelSource, few
from mlaas4hep.streaming.readers.root_open import damage, open_directory

__all__ = ["list_objects", "list_trees", "open_root"]

_TTREES = ("TTree", "TNtuple", "TNtupleD", "TChain")
_RNTUPLE = "ROOT::RNTuple"


def open_root(path: str, tree: str | None) -> LabelSource:
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
        with _without_garbage_collection():
            tree_object = _get(directory, path, name)
        identity = f"{_identity(directory)}:{name}"
        if _is_rntuple(tree_object):
            from mlaas4hep.streaming.readers.rntuple import RNTupleSource

            return RNTupleSource(path, name, tree_object, identity)
        from mlaas4hep.streaming.readers.ttree import TTreeSource

        return TTreeSource(path, name, tree_object, identity)
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


def list_objects(path: str) -> list[tuple[str, str]]:
    """All objects of a ROOT file but folders: (path in the file, class name), the newest cycle of each."""
    with open_directory(path) as directory:
        return [(name, kind) for name, kind in _objects(directory, path) if not kind.startswith("TDirectory")]


def list_trees(path: str) -> list[tuple[str, str, int]]:
    """Trees of a ROOT file, in folders too: (path in the file, class name, entries); the newest cycle of each.

    Raises:
        FileReadError: the file, or one of its trees, cannot be read.
    """
    with open_directory(path) as directory:
        return [
            (name, kind, int(_get(directory, path, name).num_entries))
            for name, kind in _objects(directory, path)
            if _is_tree(kind)
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


def _is_tree(kind: str) -> bool:
    return kind in _TTREES or kind == _RNTUPLE


def _is_rntuple(tree_object: Any) -> bool:
    return str(tree_object.classname) == _RNTUPLE


def _choose(directory: Any, path: str) -> str:
    names = [name for name, kind in _objects(directory, path) if _is_tree(kind)]
    if len(names) == 1:
        return names[0]
    if not names:
        raise TreeNotFoundError("holds no tree", where=path, hint=_contents(directory, path))
    raise TreeNotFoundError("holds several trees", where=path, hint=f"say which: {few(names)}")


def _get(directory: Any, path: str, name: str) -> Any:
    import uproot

    try:
        kind = directory.classname_of(name)
    except (uproot.exceptions.KeyInFileError, KeyError, ValueError, AttributeError) as error:
        raise TreeNotFoundError(f"no tree {name!r}", where=path, hint=_contents(directory, path, name)) from error
    except Exception as error:
        raise damage(path, error, "its table of contents cannot be read") from error
    if not _is_tree(str(kind)):
        what = "a folder" if str(kind).startswith("TDirectory") else f"a {kind}"
        old = ", written by a version of ROOT before the format was final" if "RNTuple" in str(kind) else ""
        raise TreeNotFoundError(
            f"{name!r} is {what}{old}, not a tree", where=path, hint=_contents(directory, path, name)
        )
    try:
        return directory[name]
    except Exception as error:
        raise damage(path, error, f"tree {name} cannot be read") from error


def _contents(directory: Any, path: str, wanted: str = "") -> str:
    objects = _objects(directory, path)
    trees = [name for name, kind in objects if _is_tree(kind)]
    if trees:
        near = difflib.get_close_matches(wanted, trees, n=1)
        first = near + [name for name in trees if name not in near]
        return f"trees in the file: {few(first)}"
    others = [f"{name} ({kind})" for name, kind in objects if not kind.startswith("TDirectory")]
    return f"there is no tree in the file, only {few(others)}" if others else "the file is empty of objects"


def _identity(directory: Any) -> str:
    uuid = directory.file.uuid
    if uuid.int:
        return str(uuid.hex)
    source = directory.file.source
    size = int(directory.file.fEND)
    head = source.chunk(0, min(size, 1 << 16)).raw_data.tobytes()
    tail = source.chunk(max(0, size - (1 << 16)), size).raw_data.tobytes()
    return hashlib.blake2b(f"{size}:".encode() + head + tail, digest_size=16).hexdigest()
