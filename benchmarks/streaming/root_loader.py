"""Runs ROOT's RDataLoader over files and prints what it gave. It stands alone: ROOT's own Python runs it.

Input is JSON on standard input: warm, files (signal, background), columns, lengths (of jagged columns), target, weight,
cut, batch, buffer (batches in memory), checked (a flat and a jagged column). Output is one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

PADDING = -99999.0


def loader(task: dict[str, Any], files: list[str]) -> Any:
    """Return a loader of both classes with the cut."""
    import ROOT  # type: ignore[import-not-found, unused-ignore]
    from ROOT.Experimental.ML import RDataLoader  # type: ignore[import-not-found, unused-ignore]

    frame = ROOT.RDataFrame("Events", files)
    test = f'rdfsampleinfo_.Contains("{files[0].rpartition("/")[2]}") ? 1.f : 0.f'
    frame = frame.DefinePerSample(task["target"], test).Filter(task["cut"])
    return RDataLoader(
        frame,
        batch_size=task["batch"],
        batches_in_memory=task["buffer"],
        columns=[*task["columns"], task["target"], task["weight"]],
        max_vec_sizes=task["lengths"],
        vec_padding=PADDING,
        target=task["target"],
        weights=task["weight"],
        shuffle=True,
        drop_remainder=False,
        set_seed=1,
    )


def places(task: dict[str, Any]) -> list[int]:
    """Return the numbers of the first columns of the two features that are checked."""
    found, at = {}, 0
    for name in task["columns"]:
        found[name] = at
        at += task["lengths"].get(name, 1)
    return [found[name] for name in task["checked"]]


def sums(batches: Iterator[Any], flat: int, jagged: int) -> dict[str, float]:
    """Return events, signal, sums over the signal, and events with jets in it."""
    found = dict.fromkeys(("rows", "signal", "flat", "jagged", "jets"), 0.0)
    for x, y, _weight in batches:
        chosen = x[y.ravel() == 1]
        jets = chosen[:, jagged]
        jets = jets[jets != PADDING]
        more = (len(x), len(chosen), chosen[:, flat].sum(dtype=float), jets.sum(dtype=float), len(jets))
        for name, value in zip(found, more, strict=True):
            found[name] += float(value)
    return found


def main() -> None:
    """Warm up on the small files, then measure two epochs; the first begins with opening the files."""
    task = json.loads(sys.stdin.read())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ROOT  # noqa: F401
    for _ in loader(task, task["warm"]).as_numpy():
        pass
    if task["check"]:
        print("sums: " + json.dumps(sums(loader(task, task["files"]).as_numpy(), *places(task))))
    epochs = []
    start = time.perf_counter()
    batches = loader(task, task["files"]).as_numpy()
    for _ in range(2):
        for x, _y, _weight in batches:
            x[0, 0]
        end = time.perf_counter()
        epochs.append(end - start)
        start = end
    print("result: " + json.dumps(epochs))


if __name__ == "__main__":
    main()
