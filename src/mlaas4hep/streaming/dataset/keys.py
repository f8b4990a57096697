"""Content keys of what is cached: they contain everything that decides the content, so that a key is never stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mlaas4hep import __version__
from mlaas4hep.features.layout import Layout
from mlaas4hep.streaming.cache import content_key
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.remote.location import is_remote, local_path
from mlaas4hep.streaming.remote.version import version_of
from mlaas4hep.streaming.scan.pipeline import Pipeline

__all__ = ["UnknownVersionError", "rows_key", "scan_key"]

STATISTICS = 2
"""Grows when statistics or the split of the same events become others."""


class UnknownVersionError(Exception):
    """A server does not tell the version of a file, so that nothing of it may be kept; the message is its path."""


def scan_key(files: Sequence[DataFile], pipeline: Pipeline, *, events: int, count_labels: bool) -> str:
    """Key of the first pass: files, selection, split, weights, features.

    It must be made before anything of the files is read: what a server puts in their place meanwhile has another key.

    Args:
        files: in canonical order.
        pipeline: what is done to every range.
        events: events to use; -1: all.
        count_labels: see `scan`.

    Raises:
        UnknownVersionError: a server does not tell the version of a file.
    """
    return content_key(
        {
            "what": "scan",
            "version": __version__,  # another release may count, split or normalise otherwise
            "files": [_file(file) for file in files],
            "steps": pipeline.preprocessing.to_json(),
            "features": pipeline.features,
            "identifier": pipeline.identifier,
            "label": pipeline.label_branch,
            "weight": pipeline.weight_branch,
            "negative": pipeline.negative,
            "split": pipeline.split.model_dump(mode="json"),
            "missing": pipeline.missing,
            "events": events,
            "count_labels": count_labels,
            "statistics": STATISTICS,
        }
    )


def rows_key(scan: str, layout: Layout, targets: Any) -> str:
    """Key of the rows of raw feature columns; the normalisation does not matter for them.

    Args:
        scan: key of the first pass.
        layout: whose columns they are.
        targets: what decides the targets beside the labels, as JSON: task and classes.
    """
    columns = [(branch.name, branch.kind, branch.length, branch.origin) for branch in layout.branches]
    return content_key({"what": "rows", "scan": scan, "columns": columns, "targets": targets})


def _file(file: DataFile) -> dict[str, Any]:
    """A file may be rewritten in place and keep its UUID; then at least its time of change is another."""
    found: dict[str, Any] = {
        "identity": file.source.identity,
        "tree": file.source.tree,
        "entries": file.source.entries,
        "branches": [asdict(branch) for branch in file.source.branches.values()],
        "computed": asdict(file.source.computed) if file.source.computed else None,
        "label": file.sample.label,
        "weight": file.sample.weight,
    }
    if is_remote(file.source.location):
        version = version_of(file.source.location)
        if version is None:
            raise UnknownVersionError(file.path)
        found |= {"path": file.path, "version": version}
    else:
        state = local_path(file.source.location).stat()
        found |= {"size": state.st_size, "changed": state.st_mtime_ns}
    return found
