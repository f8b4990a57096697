"""The targets, each with what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.streaming.results import BEFORE, Results, number
from benchmarks.streaming.training import FRAMEWORKS

__all__ = ["Target", "first_read", "targets"]

GIGABYTE = 1e9


@dataclass(frozen=True)
class Target:
    """What is wanted, what was measured, and whether that is enough."""

    text: str
    value: str
    reached: bool


def targets(results: Results) -> list[Target]:
    """Those whose figures were measured in this run."""
    return [
        *_speed(results),
        *_root(results),
        *_cache(results),
        *_memory(results),
        *_few(results),
        *_formats(results),
        *_train(results),
        *_before(results),
    ]


def _speed(results: Results) -> Iterator[Target]:
    for step, text in (("none_first", "1. chunk making, first pass"), ("none_specs", "2. specs pass")):
        for sample, codec in (("small", "ZLIB"), ("small", "ZSTD"), ("large", "ZLIB"), ("large", "ZSTD")):
            key = f"{sample}.{codec}."
            if f"{key}{step}" in results:
                ratio = results.ratio(f"{key}{step}", f"{key}raw").middle
                yield Target(f"{text}, {sample} {codec}: at least raw reading", f"{ratio:.2f}", ratio >= 1)
        best = results.best("small.ZLIB.weaver.")
        if best and step == "none_first":
            ratio = results.ratio("small.ZLIB.none_first", best[0]).middle
            yield Target(f"{text}: at least 5 times weaver-core's loader at its best", f"{ratio:.1f}", ratio >= 5)


def _root(results: Results) -> Iterator[Target]:
    for epoch, key in (("first", "none_first"), ("second", "memory_cached")):
        if f"small.ZLIB.root.{epoch}" in results:
            ratio = results.ratio(f"small.ZLIB.{key}", f"small.ZLIB.root.{epoch}").middle
            text = f"10. {epoch} epoch: at least the speed of ROOT's RDataLoader"
            yield Target(text, f"{ratio:.1f}", ratio >= 1)


def _cache(results: Results) -> Iterator[Target]:
    for cache, text in (("disk", "on disk"), ("memory", "in memory")):
        key = f"small.ZLIB.{cache}_cached"
        if key in results:
            own = f"small.ZLIB.{cache}_first"
            for first, what in (("small.ZLIB.none_first", "that keeps nothing"), (own, f"that keeps events {text}")):
                ratio = results.ratio(key, first).middle
                wanted = f"at least 8 times a first pass {what}"
                yield Target(f"3. cached epoch, {text}: {wanted}", f"{ratio:.1f}", ratio >= 8)
            rate = results.spread(key, lambda figure: figure.bytes / figure.seconds / GIGABYTE).middle
            yield Target(f"3. cached epoch, {text}: at least 1 GB/s of columns", f"{rate:.2f} GB/s", rate >= 1)


def _memory(results: Results) -> Iterator[Target]:
    small, large = "small.ZLIB.none_first", "large.ZLIB.none_first"
    if small in results and large in results:
        peaks = [results.spread(key, lambda figure: figure.peak).middle for key in (small, large)]
        change = peaks[1] / peaks[0] - 1
        text = "4. peak memory, large sample against small: within 10 %"
        yield Target(text, f"{100 * change:+.1f} %", abs(change) <= 0.1)
        yield Target("4. peak memory: below 1.5 GB", f"{max(peaks) / GIGABYTE:.2f} GB", max(peaks) < 1.5 * GIGABYTE)


def _few(results: Results) -> Iterator[Target]:
    if "few.wide" in results:
        ratio = results.ratio("few.narrow", "few.wide").middle
        text = "5. 20 of 1000 branches: at most 1.3 times the time of a file with only these"
        yield Target(text, f"{ratio:.2f}", ratio <= 1.3)


def _formats(results: Results) -> Iterator[Target]:
    for step in ("specs", "chunks"):
        if f"formats.RNTuple_{step}" in results:
            ratio = results.ratio(f"formats.TTree_{step}", f"formats.RNTuple_{step}").middle
            text = f"9. RNTuple of one cluster, {step}: at most 2 times the TTree of the same events"
            yield Target(text, f"{ratio:.2f}", ratio <= 2)


def _train(results: Results) -> Iterator[Target]:
    for framework in FRAMEWORKS:
        key = f"train.train_{framework}"
        if key not in results:
            continue
        found = [figure.waiting for figure in results.figures[key].values() if figure.waiting is not None]
        if found:
            share = sorted(found)[len(found) // 2]
            text = f"6. {framework}: waits for data less than 10 % of the time after the first epoch"
            yield Target(text, f"{100 * share:.1f} %", share < 0.1)
        whole, direct = (_seconds(results, f"{what}_{framework}") for what in ("train", "direct"))
        limit = 1.15 * direct + first_read(results)
        text = f"6. {framework}: whole `train` at most 1.15 times the framework alone, plus the first read"
        value = f"{number(whole)} s of {number(limit)} s"
        yield Target(text, value, whole <= limit)


def _before(results: Results) -> Iterator[Target]:
    pairs = [(key.removeprefix(BEFORE), key) for key in results.figures if key.startswith(BEFORE)]
    if pairs:
        name, ratio = min(((key, results.ratio(key, other).middle) for key, other in pairs), key=lambda pair: pair[1])
        yield Target("nothing is slower than 0.95 of the other checkout", f"{ratio:.2f} ({name})", ratio >= 0.95)


def first_read(results: Results) -> float:
    """Seconds of specs and first epoch."""
    return _seconds(results, "read_specs") + _seconds(results, "read_first")


def _seconds(results: Results, name: str) -> float:
    return results.spread(f"train.{name}", lambda figure: figure.seconds).middle
