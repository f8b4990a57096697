"""scikit-learn models as skops archives with the same bytes for the same model."""

from __future__ import annotations

import io
import itertools
import json
from typing import Any

import numpy as np

from mlaas4hep.training.backends.files import rewrite_zip

__all__ = ["dump", "load_own"]

_SCHEMA = "schema.json"


def dump(model: Any) -> bytes:
    """Return a skops archive; members and references are numbered in the order of the model's structure."""
    import skops.io

    return rewrite_zip(skops.io.dumps(model), _renumber)


def load_own(content: bytes) -> Any:
    """Return a model that this very program has dumped (a checkpoint); never to be used on foreign files."""
    import skops.io

    return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))


def _renumber(members: dict[str, bytes]) -> dict[str, bytes]:
    """Replace addresses in memory (ids of objects, names of members) by running numbers."""
    schema = json.loads(members[_SCHEMA])
    ids: dict[int, int] = {}
    files: dict[str, str] = {}
    numbers = itertools.count(1)

    def visit(node: Any) -> Any:
        if isinstance(node, list):
            return [visit(item) for item in node]
        if not isinstance(node, dict):
            return node
        new: dict[str, Any] = {}
        for key, value in node.items():
            if key == "__id__" and node.get("is_json"):  # plain values: shared or not by the interpreter's whim
                new[key] = next(numbers)
            elif key == "__id__":
                new[key] = ids[value] if value in ids else ids.setdefault(value, next(numbers))
            elif key == "file" and isinstance(value, str) and value in members:
                suffix = value.rpartition(".")[2]
                new[key] = files.setdefault(value, f"{len(files) + 1}.{suffix}")
            else:
                new[key] = visit(value)
        return new

    changed = visit(schema)
    renamed = {new: _without_padding(members[old]) for old, new in files.items()}
    others = {name: content for name, content in sorted(members.items()) if name != _SCHEMA and name not in files}
    return {_SCHEMA: json.dumps(changed, separators=(",", ":")).encode(), **renamed, **others}


def _without_padding(content: bytes) -> bytes:
    """Zero the bytes between the fields of an array of records (nodes of a tree): they hold whatever was in memory."""
    if not content.startswith(b"\x93NUMPY"):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()
