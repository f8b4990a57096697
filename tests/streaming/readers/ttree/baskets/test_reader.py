"""Baskets read directly must give what uproot reads, bit for bit, from any range, for all types and compressions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.ttree.source import TTreeSource
from tests.streaming.readers.uproot_reference import assert_same, direct, open_tree, part, reference

TYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
CODECS = {
    "none": None,
    "zlib": uproot.ZLIB(1),
    "lzma": uproot.LZMA(1),
    "lz4": uproot.LZ4(1),
    "zstd": uproot.ZSTD(1),
}


def events(size: int, seed: int) -> dict[str, Any]:
    """Branches of all types: one number, lists, arrays."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.5, size)
    raw = {name: rng.integers(0, 2 if name == "bool" else 256, 8 * counts.sum(), np.uint8) for name in TYPES}
    lists = {name: ak.unflatten(raw[name].view(name)[: counts.sum()], counts) for name in TYPES}
    return {
        **{f"flat_{name}": rng.normal(0, 50, size).astype(name) for name in TYPES},
        "Jet": ak.zip(lists),
        **{f"alone_{name}": lists[name] for name in TYPES},
        "nothing": ak.unflatten(np.zeros(0, np.float32), np.zeros(size, np.int64)),
        "matrix": rng.integers(0, 9, (size, 2, 3)).astype(np.int16),
        "single": rng.normal(size=(size, 1)),
    }


def write(path: Path, codec: Any, sizes: list[int]) -> Path:
    """A tree of as many clusters as there are sizes."""
    with uproot.recreate(path, compression=codec) as file:
        first = events(1, 0)
        types = {
            name: np.dtype((v.dtype, v.shape[1:])) if isinstance(v, np.ndarray) else str(ak.type(v).content)
            for name, v in first.items()
        }
        tree = file.mktree("Events", types)
        for seed, size in enumerate(sizes):
            tree.extend(events(size, seed))
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[TTreeSource, dict[str, Column]]]:
    """The same tree in all compressions, and what uproot reads of it."""
    folder = tmp_path_factory.mktemp("baskets")
    result = {}
    for name, codec in CODECS.items():
        source = open_tree(write(folder / f"{name}.root", codec, [40, 1, 200, 35]))
        truth = {branch: reference(leaf.tbranch, 0, source.entries) for branch, leaf in source._leaves.items()}
        result[name] = source, truth
    return result


@pytest.mark.parametrize("codec", list(CODECS))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ends=st.tuples(st.integers(0, 276), st.integers(0, 276)))
def test_any_range_of_any_type_and_compression(
    written: dict[str, tuple[TTreeSource, dict[str, Column]]], codec: str, ends: tuple[int, int]
) -> None:
    source, truth = written[codec]
    start, stop = sorted(ends)
    columns = direct(source, list(truth), start, stop)
    assert list(columns) == list(truth)
    for name, column in columns.items():
        assert_same(column, part(truth[name], start, stop))


@pytest.mark.parametrize("codec", list(CODECS))
def test_blocks_of_more_than_16_mebibytes(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.root"
    values = np.arange(2_300_000, dtype=np.float64)
    values[::3] = 0
    with uproot.recreate(path, compression=CODECS[codec]) as file:
        file.mktree("Events", {"x": "f8"}).extend({"x": values})
    np.testing.assert_array_equal(direct(open_tree(path), ["x"], 5, 2_300_000)["x"], values[5:])


def test_many_threads_at_once(written: dict[str, tuple[TTreeSource, dict[str, Column]]]) -> None:
    source, truth = open_tree(written["zlib"][0].path), written["zlib"][1]
    names = list(truth)
    ranges = [(start, min(start + 31, 276)) for start in range(0, 276, 7)] * 3
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda ends: direct(source, names, *ends), ranges))
    for (start, stop), columns in zip(ranges, results, strict=True):
        for name in names:
            assert_same(columns[name], part(truth[name], start, stop))


def test_the_tree_reads_its_baskets_directly(
    written: dict[str, tuple[TTreeSource, dict[str, Column]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, truth = written["zstd"]
    monkeypatch.setattr(source, "_read_with_uproot", None)
    columns = source.read(["flat_int8", "Jet_bool", "matrix"], 30, 250)
    for name, column in columns.items():
        assert_same(column, part(truth[name], 30, 250))


def test_an_empty_tree(tmp_path: Path) -> None:
    source = open_tree(write(tmp_path / "a.root", None, []))
    columns = source.read(list(source.branches), 0, 0)
    for name, branch in source.branches.items():
        column = columns[name]
        values = column.content if isinstance(column, Jagged) else column
        assert (len(column), len(values), values.dtype.name) == (0, 0, branch.dtype)
