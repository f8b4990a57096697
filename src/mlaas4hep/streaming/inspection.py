"""What is in a file: trees, branches with kind and type, clusters, compression, and what cannot be a feature."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from typing import Any

from mlaas4hep.errors import FileReadError, TreeNotFoundError, without_credentials
from mlaas4hep.errors.findings import few
from mlaas4hep.formats import FORMATS, compression_of
from mlaas4hep.streaming.readers import Branch, open_source
from mlaas4hep.streaming.readers.factory import format_of
from mlaas4hep.streaming.remote.location import is_remote, local_path, name_of, split_tree

__all__ = ["BranchInfo", "Inspection", "TreeInfo", "inspect", "render"]


@dataclass(frozen=True, slots=True)
class BranchInfo:
    """One branch.

    Attributes:
        name: as users write it.
        kind: flat, jagged or unsupported.
        dtype: numpy name of the numbers, or the type in words.
        width: size of a fixed-size array, else None.
        hidden: true for mere storage details such as the counter of one jagged branch.
        why: why it cannot be a feature, else None.
        stored: how the file calls it, if that is not the name.
    """

    name: str
    kind: str
    dtype: str
    width: int | None
    hidden: bool
    why: str | None
    stored: str | None = None


@dataclass(frozen=True, slots=True)
class TreeInfo:
    """One tree, or the one table of a file of another format (then `name` is empty).

    Attributes:
        name: path in the file.
        class_name: TTree, ROOT::RNTuple, group, compound data set, or table.
        entries: number of entries.
        identity: identifies the content.
        clusters: number of ranges at whose ends reading is cheap.
        compression: of most of the data, None if there is none.
        branches: in the order of the file; empty if only other trees were asked for.
        why: why it cannot be read, although others can; else None.
    """

    name: str
    class_name: str
    entries: int
    identity: str | None = None
    clusters: int | None = None
    compression: str | None = None
    branches: tuple[BranchInfo, ...] = ()
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in one file.

    Attributes:
        path: as given.
        format: see `mlaas4hep.formats`.
        size: bytes; None for a remote file.
        trees: all of them.
        objects: what else a ROOT file holds: (path, class name).
    """

    path: str
    format: str
    size: int | None
    trees: tuple[TreeInfo, ...]
    objects: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain dictionaries and lists, for ``json.dumps``."""
        content = asdict(self)
        content["trees"] = [{**tree, "branches": list(tree["branches"])} for tree in content["trees"]]
        content["objects"] = [{"name": name, "class_name": kind} for name, kind in self.objects]
        return content


def inspect(path: str, tree: str | None = None) -> Inspection:
    """Describe a file.

    Args:
        path: local path or URL; ``file.root:tree`` names a tree.
        tree: describe the branches of this tree only; None: of each tree. Not used for tables.

    Raises:
        FileReadError: the file cannot be read.
        TreeNotFoundError: no such tree. A file without any tree is not an error unless one is asked for.
    """
    path, own = split_tree(path)
    tree = own or tree
    kind = format_of(path)
    size = None if is_remote(path) else _size(path)
    opener = FORMATS[kind].contents
    if opener is None:
        return Inspection(without_credentials(path), kind, size, (_describe(path, None, "", "table"),))
    module, _, function = opener.partition(":")
    trees, others = getattr(importlib.import_module(module), function)(path)
    names = [name for name, _ in trees]
    wanted = None if tree is None else tree.strip("/").split(";")[0] or "/"
    if wanted is not None and wanted not in names:
        open_source(path, tree).close()
        raise TreeNotFoundError(f"no tree {tree!r}", where=path, hint=f"trees in the file: {few(names)}")
    found: list[TreeInfo] = []
    failed: list[FileReadError] = []
    for name, class_name in trees:
        try:
            info = _describe(path, tree if wanted == name else name, name, class_name)
            found.append(info if wanted in {None, name} else TreeInfo(name, class_name, info.entries))
        except FileReadError as error:
            failed.append(error)
            if wanted == name or len(failed) == len(trees):
                raise
            found.append(TreeInfo(name, class_name, 0, why=error.what))
    return Inspection(without_credentials(path), kind, size, tuple(found), tuple(others))


def render(inspection: Inspection) -> str:
    """Return the description as text for a terminal, without a line break at the end."""
    size = "" if inspection.size is None else f", {inspection.size:,} bytes"
    lines = [f"{inspection.path}: {inspection.format}{size}"]
    if not inspection.trees:
        lines.append("no tree in the file")
    for tree in inspection.trees:
        lines += ["", *_tree_lines(tree)]
    if inspection.objects:
        lines += ["", "other objects"]
        lines += [f"  {name}  {kind}" for name, kind in inspection.objects]
    return "\n".join(lines)


def _size(path: str) -> int | None:
    local = local_path(path)
    return local.stat().st_size if local.is_file() else None


def _describe(path: str, tree: str | None, name: str, class_name: str) -> TreeInfo:
    source = open_source(path, tree)
    try:
        return TreeInfo(
            name,
            class_name,
            source.entries,
            source.identity,
            len(source.clusters) - 1,
            source.compression or _stored_as(path),
            tuple(_branch(branch) for branch in source.branches.values()),
        )
    finally:
        source.close()


def _stored_as(path: str) -> str | None:
    compression = compression_of(name_of(path))
    return compression.lstrip(".") if compression else None


def _branch(branch: Branch) -> BranchInfo:
    return BranchInfo(branch.name, branch.kind, branch.dtype, branch.width, branch.hidden, branch.why, branch.stored)


def _tree_lines(tree: TreeInfo) -> list[str]:
    title = f"{tree.name} ({tree.class_name}): " if tree.name else ""
    if tree.why:
        return [f"{title}{tree.why}"]
    lines = [f"{title}{tree.entries:,} entries"]
    if tree.clusters is None:
        return lines
    kinds = {
        kind: sum(b.kind == kind and not b.hidden for b in tree.branches) for kind in ("flat", "jagged", "unsupported")
    }
    hidden = sum(b.hidden for b in tree.branches)
    counts = [f"{number} {kind}" for kind, number in kinds.items() if number]
    counts += [f"{hidden} hidden"] if hidden else []
    lines[0] += (
        f" in {tree.clusters} cluster{'' if tree.clusters == 1 else 's'}, {tree.compression or 'not compressed'}"
    )
    lines.append(
        f"  {len(tree.branches)} branch{'' if len(tree.branches) == 1 else 'es'}: {', '.join(counts)}"
        if counts
        else "  no branches"
    )
    width = max((len(branch.name) for branch in tree.branches), default=0)
    for branch in tree.branches:
        dtype = branch.dtype if branch.width is None else f"{branch.dtype}[{branch.width}]"
        note = f"  ({branch.why})" if branch.why else "  (counter, hidden)" if branch.hidden else ""
        lines.append(f"  {branch.name:<{width}}  {branch.kind:<11}  {dtype}{note}")
    return lines
