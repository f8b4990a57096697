"""Runs weaver-core's loader over files and prints what it gave. It stands alone: weaver's own Python runs it.

Input is JSON on standard input: config, files (by group), fetch_step, workers, batch, inputs (place of the columns
that are checked). Output is one line of JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any


def loader(task: dict[str, Any], files: dict[str, list[str]]) -> Any:
    """A loader with mixed batches, as weaver's own training makes it."""
    from torch.utils.data import DataLoader
    from weaver.utils.dataset import SimpleIterDataset  # type: ignore[import-not-found]

    data = SimpleIterDataset(
        files,
        task["config"],
        batch_size=task["batch"],
        for_training=True,
        load_range_and_fraction=((0, 1), 1, 1),
        fetch_by_files=False,
        fetch_step=task["fetch_step"],
        name="train",
    )
    workers = task["workers"]
    return DataLoader(data, batch_size=task["batch"], drop_last=False, pin_memory=False, num_workers=workers,
                      persistent_workers=workers > 0)  # fmt: skip


def sums(batches: Any, flat: list[Any], jagged: list[Any]) -> dict[str, float]:
    """Events, signal, and the sums that are checked (see facts.py); also whether batches hold both classes."""
    rows = signal = mixed = number = 0
    totals = [0.0, 0.0]
    for x, y, _z in batches:
        label = y["_label_"] == 0
        rows, signal, number = rows + len(label), signal + int(label.sum()), number + 1
        mixed += bool(label.any()) and not bool(label.all())
        for index, (group, place) in enumerate((flat, jagged)):
            column = x[group][label][:, place] if index == 0 else x[group][label][:, place, 0]
            totals[index] += float(column[column != 0].double().sum())
    return {"rows": rows, "signal": signal, "flat": totals[0], "jagged": totals[1], "mixed": mixed / max(number, 1)}


def main() -> None:
    """Check once if asked to, warm up on the small files, then measure one epoch."""
    task = json.loads(sys.stdin.read())
    import weaver.utils.dataset  # type: ignore[import-not-found]  # noqa: F401

    logging.disable(logging.CRITICAL)
    found: dict[str, Any] = {}
    for _ in loader(task, task["warm"]):
        pass
    if task["check"]:
        found["sums"] = sums(loader(task, task["files"]), task["flat"], task["jagged"])
    start = time.perf_counter()
    rows = 0
    for x, y, _z in loader(task, task["files"]):
        rows += len(y["_label_"])
        for values in x.values():
            values[0, 0]
    print("result: " + json.dumps({**found, "rows": rows, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
