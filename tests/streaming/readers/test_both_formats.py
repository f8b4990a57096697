"""The same data written as a TTree and as an RNTuple must read as the same branches and values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import UnsupportedBranchError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers import Source, open_source
from mlaas4hep.streaming.readers.base import Branch

FORMATS = ("TTree", "RNTuple")
FLAT = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")


def events(size: int, seed: int = 3) -> dict[str, Any]:
    """Branches of all kinds."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.5, size)
    lists = {name: ak.unflatten(rng.normal(0, 50, counts.sum()).astype(name), counts) for name in FLAT}
    return {
        **{f"flat_{name}": rng.normal(0, 50, size).astype(name) for name in FLAT},
        "Jet": ak.zip({name: lists[name] for name in FLAT}),
        "alone": lists["float32"],
        "fixed": rng.normal(size=(size, 3)),
        "matrix": rng.integers(0, 9, (size, 2, 2)).astype(np.int16),
        "single": rng.normal(size=(size, 1)).astype(np.float32),
    }


def write(path: Path, kind: str, chunks: list[dict[str, Any]]) -> Source:
    """Write chunks of events (one cluster each) and open the file."""
    first = chunks[0]
    with uproot.recreate(path, compression=uproot.ZSTD(1)) as file:
        if kind == "TTree":
            types = {
                name: (
                    np.dtype((value.dtype, value.shape[1:]))
                    if isinstance(value, np.ndarray)
                    else str(ak.type(value).content)
                )
                for name, value in first.items()
            }
            tree = file.mktree("Events", types)
            for chunk in chunks:
                tree.extend(chunk)
        else:
            tuple_ = file.mkrntuple("Events", first)
            for chunk in chunks[1:]:
                tuple_.extend(chunk)
    return open_source(str(path), "Events")


@pytest.fixture(scope="module")
def chunks() -> list[dict[str, Any]]:
    """Three clusters of different sizes."""
    return [events(40, 1), events(25, 2), events(35, 3)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, chunks: list[dict[str, Any]]) -> dict[str, Source]:
    """The same events in both formats."""
    folder = tmp_path_factory.mktemp("both")
    return {kind: write(folder / f"{kind}.root", kind, chunks) for kind in FORMATS}


@pytest.fixture(scope="module")
def truth(chunks: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """All branches as Python lists, flattened by hand."""
    together: dict[str, list[Any]] = {}
    for chunk in chunks:
        for name, value in chunk.items():
            if name == "Jet":
                together.setdefault("nJet", []).extend(ak.num(value[FLAT[0]]).tolist())
                for field in FLAT:
                    together.setdefault(f"Jet_{field}", []).extend(value[field].tolist())
            elif isinstance(value, np.ndarray):
                together.setdefault(name, []).extend(
                    value.reshape(len(value), -1).tolist() if value.ndim > 1 else value.tolist()
                )
            else:
                together.setdefault(name, []).extend(value.tolist())
                together.setdefault(f"n{name}", []).extend(ak.num(value).tolist())
    return together


def lists(column: Column) -> list[Any]:
    """Python lists of a column."""
    return column.tolist()


def seen(source: Source) -> dict[str, Branch]:
    """All that users see of the branches, whatever the file calls them."""
    return {name: replace(branch, stored=None) for name, branch in sorted(source.branches.items())}


def test_the_same_branches(sources: dict[str, Source]) -> None:
    first, second = (seen(sources[kind]) for kind in FORMATS)
    assert first == second


@pytest.mark.parametrize("kind", FORMATS)
def test_kinds_and_types(sources: dict[str, Source], kind: str) -> None:
    branches = sources[kind].branches
    for name in FLAT:
        assert (branches[f"flat_{name}"].kind, branches[f"flat_{name}"].dtype) == ("flat", name)
        assert (branches[f"Jet_{name}"].kind, branches[f"Jet_{name}"].dtype) == ("jagged", name)
    assert (branches["nJet"].kind, branches["nJet"].hidden) == ("flat", False)
    assert (branches["nalone"].kind, branches["nalone"].hidden) == ("flat", True)
    widths = {name: branches[name].width for name in ("fixed", "matrix", "single", "alone", "flat_bool")}
    assert widths == {"fixed": 3, "matrix": 4, "single": 1, "alone": None, "flat_bool": None}
    assert {name: branches[name].kind for name in widths} == {
        "fixed": "jagged",
        "matrix": "jagged",
        "single": "jagged",
        "alone": "jagged",
        "flat_bool": "flat",
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_clusters_and_compression(sources: dict[str, Source], kind: str) -> None:
    assert sources[kind].clusters == (0, 40, 65, 100)
    assert (sources[kind].compression or "").startswith("ZSTD")


@pytest.mark.parametrize("kind", FORMATS)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_range_of_any_branches(
    sources: dict[str, Source], truth: dict[str, list[Any]], kind: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, 100))
    stop = data.draw(st.integers(start, 100))
    names = data.draw(st.lists(st.sampled_from(sorted(truth)), max_size=6))
    columns = sources[kind].read(names, start, stop)
    assert list(columns) == list(dict.fromkeys(names))
    for name in names:
        column = columns[name]
        assert isinstance(column, Jagged) == (sources[kind].branches[name].kind == "jagged")
        assert lists(column) == truth[name][start:stop]
        values = column.values if isinstance(column, Jagged) else column
        assert values.dtype.name == sources[kind].branches[name].dtype


@pytest.mark.parametrize("kind", FORMATS)
def test_several_threads_at_the_same_time(sources: dict[str, Source], truth: dict[str, list[Any]], kind: str) -> None:
    source = open_source(sources[kind].path, "Events")
    names = sorted(truth)
    ranges = [(start, min(start + 17, 100)) for start in range(0, 100, 9)] * 3
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda entries: source.read(names, *entries), ranges))
    for (start, stop), columns in zip(ranges, results, strict=True):
        assert all(lists(columns[name]) == truth[name][start:stop] for name in names)


@pytest.mark.parametrize("kind", FORMATS)
def test_labels(sources: dict[str, Source], truth: dict[str, list[Any]], kind: str) -> None:
    assert sources[kind].read_labels("flat_int32", 3, 9).tolist() == truth["flat_int32"][3:9]
    with pytest.raises(UnsupportedBranchError, match="branch fixed holds a list an entry, which cannot be a label"):
        sources[kind].read_labels("fixed", 0, 1)


def test_counter_of_a_collection_with_one_member(tmp_path: Path) -> None:
    chunk = {"Jet": ak.Array([[{"pt": 1.0}], []])}
    found = [seen(write(tmp_path / f"{kind}.root", kind, [chunk])) for kind in FORMATS]
    assert found[0] == found[1]
    assert not found[0]["nJet"].hidden
