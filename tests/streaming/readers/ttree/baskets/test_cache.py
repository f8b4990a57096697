"""Baskets that several ranges need are decompressed once, and what is kept for that is bounded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers.ttree.baskets import reader as baskets
from mlaas4hep.streaming.readers.ttree.baskets.cache import BasketCache
from mlaas4hep.streaming.readers.ttree.baskets.raw import Key, decompress
from tests.streaming.readers.uproot_reference import open_tree

EVENTS = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Numbers and lists in two baskets each."""
    path = tmp_path / "a.root"
    counts = np.arange(EVENTS) % 4
    lists = ak.unflatten(np.arange(counts.sum()), counts)
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"x": "i4", "j": "var * int64"})
        for part in (slice(0, 600), slice(600, EVENTS)):
            tree.extend({"x": np.arange(EVENTS, dtype=np.int32)[part], "j": lists[part]})
    return path


def ranges(step: int) -> list[tuple[int, int]]:
    """Ranges in order."""
    return [(start, min(start + step, EVENTS)) for start in range(0, EVENTS, step)]


def test_ranges_in_order_decompress_each_basket_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, done = open_tree(path), []

    def counted(data: memoryview, out: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
        done.append(len(out))
        decompress(data, out)

    monkeypatch.setattr(baskets, "decompress", counted)
    values = []
    for start, stop in ranges(70):
        columns = source.read(["x", "j"], start, stop)
        assert isinstance(columns["j"], Jagged)
        assert columns["j"].counts.tolist() == (np.arange(start, stop) % 4).tolist()
        assert isinstance(columns["x"], np.ndarray)
        assert columns["x"].tolist() == list(range(start, stop))
        values += columns["j"].values.tolist()
    assert values == list(range(len(values)))
    assert len(done) == 4
    assert source._cache.size == 0


def test_threads_share_what_is_kept(path: Path) -> None:
    source = open_tree(path)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda ends: source.read(["j"], *ends)["j"], ranges(13) * 4))
    for (start, stop), column in zip(ranges(13) * 4, results, strict=True):
        assert isinstance(column, Jagged)
        assert column.counts.tolist() == (np.arange(start, stop) % 4).tolist()


def test_never_more_than_the_limit() -> None:
    cache = BasketCache(1000)
    for i in range(20):
        cache.keep(("x", i), Key(70, 300, 300), np.full(300, i, dtype=np.uint8))
        assert cache.size <= 1000
    assert list(cache.find(("x", i) for i in range(20))) == [("x", 0), ("x", 1), ("x", 2)]
    cache.drop([("x", 1), ("y", 7)])
    assert cache.size == 600


def test_what_nobody_asks_for_makes_room() -> None:
    cache = BasketCache(1000)
    for i in range(3):
        cache.keep(("x", i), Key(70, 300, 300), np.full(300, i, dtype=np.uint8))
    for _ in range(20):
        assert list(cache.find([("x", 1)])) == [("x", 1)]
    cache.keep(("y", 0), Key(70, 300, 300), np.zeros(300, dtype=np.uint8))
    found = cache.find([("x", 0), ("x", 1), ("x", 2), ("y", 0)])
    assert list(found) == [("x", 1), ("y", 0)]
    assert found["x", 1].data.tolist() == [1] * 300


def test_a_copy_is_kept() -> None:
    cache, data = BasketCache(), np.zeros(8, dtype=np.uint8)
    cache.keep(("x", 0), Key(70, 8, 8), data)
    data[:] = 1
    assert not cache.find([("x", 0)])["x", 0].data.any()
