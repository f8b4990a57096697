"""The result of a first pass as JSON, exactly, so that it can be cached."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from mlaas4hep.features.cutflow import Cutflow
from mlaas4hep.features.statistics.exact import ExactSum
from mlaas4hep.features.statistics.specs import Specs
from mlaas4hep.streaming.scan.result import ClassCount, FileScan, RangeCount, Scan

__all__ = ["scan_from_state", "scan_to_state"]


def scan_to_state(scan: Scan) -> dict[str, Any]:
    """Return a JSON value from which `scan_from_state` makes the same scan."""
    return {
        "files": [
            {
                "cutflow": None if file.cutflow is None else file.cutflow.to_state(),
                "ranges": [[r.start, r.stop, r.used, *r.parts] for r in file.ranges],
            }
            for file in scan.files
        ],
        "specs": scan.specs.to_state(),
        "labels": [
            [label, count.events, [total.to_json() for total in count.weights]] for label, count in scan.labels.items()
        ],
        "passing": [[label, total.to_json()] for label, total in scan.passing.items()],
    }


def scan_from_state(state: Any) -> Scan:
    """Return the scan.

    Raises:
        ValueError: the state is malformed.
    """
    try:
        return Scan(
            [_file(file) for file in state["files"]],
            Specs.from_state(state["specs"]),
            {_label(label): _count(events, weights) for label, events, weights in state["labels"]},
            {_label(label): ExactSum.from_json(total) for label, total in state["passing"]},
        )
    except (KeyError, TypeError, IndexError) as error:
        msg = f"not the state of a first pass: {error!r}"
        raise ValueError(msg) from error


def _file(state: Mapping[str, Any]) -> FileScan:
    cutflow = None if state["cutflow"] is None else Cutflow.from_state(state["cutflow"])
    ranges = [
        RangeCount(start, stop, used, (train, validation, test))
        for start, stop, used, train, validation, test in state["ranges"]
    ]
    return FileScan(cutflow, ranges)


def _count(events: list[int], weights: list[str]) -> ClassCount:
    return ClassCount([int(n) for n in events], [ExactSum.from_json(total) for total in weights])


def _label(label: Any) -> Hashable:
    if not isinstance(label, str | int | float | bool | None):
        msg = f"{label!r} is not a label"
        raise TypeError(msg)
    return label
