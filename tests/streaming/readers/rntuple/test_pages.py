"""Any range of an RNTuple, whatever its clusters and pages; each page is decompressed once in a pass."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.rntuple.cache import PageCache
from mlaas4hep.streaming.readers.rntuple.source import RNTupleSource
from mlaas4hep.streaming.readers.room import ROOM, Room

EVENTS = 700
COUNTS = np.arange(EVENTS) * 7 % 5
NAMES = ["x", "flag", "maybe", "fixed", "l", "nl", "Jet_pt", "Jet_id", "nJet"]


def some(values: Any, there: Any) -> ak.Array:
    """Numbers of which some are missing."""
    index = np.where(there, np.cumsum(there) - 1, -1)
    content = ak.contents.NumpyArray(values[there].astype(np.float64))
    return ak.Array(ak.contents.IndexedOptionArray(ak.index.Index64(index), content))


def events(start: int, stop: int) -> dict[str, Any]:
    """Events of which every number is told by its place."""
    number = np.arange(start, stop)
    counts = COUNTS[start:stop]
    inner = np.arange(COUNTS[:start].sum(), COUNTS[:stop].sum())
    jets = ak.zip({"pt": ak.unflatten(inner * 0.5, counts), "id": ak.unflatten(inner.astype(np.int32) - 300, counts)})
    return {
        "x": number.astype(np.float32),
        "flag": number % 3 == 0,
        "maybe": some(number, number % 4 != 1),
        "fixed": ak.to_regular(ak.Array(np.stack([number, -number], axis=1))),
        "l": ak.unflatten(inner, counts),
        "Jet": jets,
    }


def write(path: Path, bounds: list[int]) -> Path:
    """One cluster between two bounds."""
    with uproot.recreate(path) as file:
        whole = file.mkrntuple("Events", events(0, bounds[0]))
        for start, stop in zip(bounds, [*bounds[1:], EVENTS], strict=True):
            whole.extend(events(start, stop))
    return path


def opened(path: Path) -> RNTupleSource:
    source = open_source(str(path), "Events")
    assert isinstance(source, RNTupleSource)
    return source


def check(source: RNTupleSource, start: int, stop: int) -> None:
    expected = events(start, stop)
    expected |= {"nl": COUNTS[start:stop], "nJet": COUNTS[start:stop]}
    expected |= {"Jet_pt": expected["Jet"]["pt"], "Jet_id": expected["Jet"]["id"]}
    for name, column in source.read(NAMES, start, stop).items():
        assert len(column) == stop - start
        if isinstance(column, Jagged):
            assert column.tolist() == ak.to_list(expected[name])
        else:
            theirs = ak.to_numpy(ak.fill_none(ak.Array(expected[name]), np.nan))
            np.testing.assert_array_equal(column, theirs)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(1, EVENTS - 1), min_size=1, max_size=4, unique=True).map(sorted),
    st.lists(st.tuples(st.integers(0, EVENTS), st.integers(0, EVENTS)).map(sorted), min_size=1, max_size=4),
)
def test_any_range_of_any_clusters(tmp_path: Path, bounds: list[int], ranges: list[list[int]]) -> None:
    source = opened(write(tmp_path / "a.root", bounds))
    for start, stop in ranges:
        check(source, start, stop)
    source.close()


def counted(source: RNTupleSource, monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, ...]]:
    """How often each page is decompressed."""
    pages: Counter[tuple[int, ...]] = Counter()
    read, lock = source._object.read_page, threading.Lock()

    def count(destination: Any, *place: Any) -> None:
        with lock:
            pages[place[:3]] += 1
        read(destination, *place)

    monkeypatch.setattr(source._object, "read_page", count)
    return pages


@pytest.mark.parametrize("room", [1 << 20, 2000])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_pass_decompresses_each_page_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, room: int
) -> None:
    before = ROOM.taken
    monkeypatch.setattr(ROOM, "_limit", before + room)
    source = opened(write(tmp_path / "a.root", [EVENTS // 2]))
    pages = counted(source, monkeypatch)
    ranges = [(start, min(start + 60, EVENTS)) for start in range(0, EVENTS, 60)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda pair: check(source, *pair), ranges))
    assert set(pages.values()) == {1}
    assert ROOM.taken == before
    source.close()


def test_only_pages_that_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(write(tmp_path / "a.root", [300, 500]))
    pages = counted(source, monkeypatch)
    check(source, 350, 480)
    assert {cluster for cluster, _, _ in pages} == {1}
    source.close()
    assert len(source._pages._cache._kept) == 0


def test_pages_stay_within_the_room_of_all_files() -> None:
    """What has no room goes to a temporary file; each is made once all the same."""
    room = Room(limit=500)
    caches = [PageCache(room) for _ in range(3)]
    made: list[tuple[int, ...]] = []

    def page(*place: int) -> Any:
        made.append(place)
        return np.arange(60, dtype=np.float32) + 1000 * place[0] + 100 * place[1]

    for first in range(0, 60, 20):
        for number, cache in enumerate(caches):
            for other in range(4):
                found = cache.part((0, other, 0), 60, 20, first, first + 20, partial(page, number, other))
                np.testing.assert_array_equal(found, np.arange(first, first + 20) + 1000 * number + 100 * other)
        assert room.taken == (480 if first < 40 else 0)
    assert len(made) == len(set(made)) == 12
    assert all(not cache._kept and cache._spill is None for cache in caches)


def test_no_room_in_the_temporary_folder_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then pages are decompressed again; nothing is lost."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    monkeypatch.setattr(ROOM, "_limit", 0)
    source = opened(write(tmp_path / "a.root", [EVENTS // 2]))
    for start in range(0, EVENTS, 100):
        check(source, start, start + 100)
    source.close()


def test_memory_limit_sets_the_room() -> None:
    room = Room()
    room.fit(800)
    assert room.take(100)
    assert not room.take(1)
    room.give(100)
    room.fit(None)
    assert room.take(1 << 28)
    assert not room.take(1)
