"""Measures how fast events become what a model is trained on, beside others on the same files, in one run.

Every round goes through all measurements in turn, each in a process of its own that imports and warms up before its
clock starts. Samples and the environments of peers stay in ``benchmarks/.cache``.

Example:
    python -m benchmarks.streaming.run
    python -m benchmarks.streaming.run --only small few --rounds 3
    python -m benchmarks.streaming.run --short --against ../before
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.environments import CACHE, ROOT, ignored
from benchmarks.streaming import report
from benchmarks.streaming.measure import Figure, Found
from benchmarks.streaming.plan import GROUPS, Sizes, Task, tasks
from benchmarks.streaming.results import BEFORE, Results

MEMORY = "\n# Memory: measured\n"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
SHORT = ("small", "formats")
QUICK = Sizes(small=4_000, large=8_000, few=4_000, formats=8_000, train=4_000, epochs=2)
BEST = 2


def compare(chosen: Sequence[Task], rounds: int, begin: float, other: Path | None = None) -> Results:
    """Return the figures of all rounds; those of the other checkout begin with `BEFORE`."""
    results = Results()
    left = list(chosen)
    for number in range(1, rounds + 1):
        for task in left:
            if number > task.rounds:
                continue
            for key, figure in _both(task, other, number):
                results.add(number, {key: figure})
                rate = f"{figure.events / figure.seconds / 1e3:10.1f} kHz" if figure.seconds else " " * 14
                clock = f"{(time.monotonic() - begin) / 60:5.1f} min  {number}/{rounds}"
                print(f"{clock}  {key:28} {rate} {figure.peak / 1e6:8.0f} MB", flush=True)
        if number == 1:
            keys = [task.key for task in left if task.contest]
            good = sorted(keys, key=lambda key: -results.rate(key).middle)[:BEST]
            left = [task for task in left if not task.contest or task.key in good]
    return results


def _both(task: Task, other: Path | None, number: int) -> Iterator[tuple[str, Figure]]:
    """Give the figures of this checkout and of the other, which goes first in every second round."""
    steps: list[Callable[[], Found]] = [task.run]
    if other is not None and task.elsewhere is not None:
        elsewhere = task.elsewhere
        steps.append(lambda: {f"{BEFORE}{key}": figure for key, figure in elsewhere(other).items()})
    for step in steps if number % 2 else reversed(steps):
        yield from step().items()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; see ``--help``."""
    parser = argparse.ArgumentParser(description="Compares the reading and making of chunks with others.")
    parser.add_argument("--rounds", type=int, help="default: 5")
    parser.add_argument("--events", type=int, default=Sizes.small, help="of small samples; large ones have ten times")
    parser.add_argument("--epochs", type=int, default=Sizes.epochs, help="of the trainings")
    parser.add_argument("--only", nargs="*", choices=GROUPS, metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="tiny samples, one round, no other loaders: a smoke test")
    parser.add_argument("--short", action="store_true", help=f"{' and '.join(SHORT)}, three rounds, no weaver-core")
    parser.add_argument("--against", type=Path, help="a checkout that is measured in turn with this one")
    parser.add_argument("--no-weaver", action="store_true", help="without weaver-core")
    parser.add_argument("--cache", type=Path, default=CACHE, help="keeps samples and weaver-core's environment")
    parser.add_argument("--output", type=Path, help="default: benchmarks/RESULTS.md, if everything is measured")
    options = parser.parse_args(arguments)
    size = options.events
    sizes = QUICK if options.quick else Sizes(size, 10 * size, size, 15 * size, size, options.epochs)
    groups = tuple(options.only or (SHORT if options.short else GROUPS))
    rounds = 1 if options.quick else options.rounds or (3 if options.short else 5)
    weaver = not (options.quick or options.no_weaver or options.short)
    other = options.against.resolve() if options.against else None
    load, begin = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory(dir=ignored(options.cache)) as name:
        chosen = list(tasks(options.cache, Path(name), groups, sizes, weaver=weaver, rdataloader=not options.quick))
        results = compare(chosen, rounds, begin, other)
    command = "--short " if options.short else ""
    command += f"--rounds {rounds} --events {size}" if not options.quick else "--quick"
    command += f" --epochs {sizes.epochs}" if not options.quick else ""
    command += f" --only {' '.join(options.only)}" if options.only else ""
    text = report.page(results, sizes, report.Run(command, rounds, load, time.monotonic() - begin))
    output = options.output or (RESULTS if weaver and groups == GROUPS and other is None else None)
    if output is None:
        print(text)
    else:
        output.write_text(text + _memory(output), encoding="utf-8")
        print(f"written: {output}")


def _memory(page: Path) -> str:
    """The section of ``benchmarks.memory.run``, which stands below ours."""
    if not page.exists():
        return ""
    _, mark, section = page.read_text(encoding="utf-8").partition(MEMORY)
    return mark + section


if __name__ == "__main__":
    main()
