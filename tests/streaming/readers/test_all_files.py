"""Every file there is either reads completely and like uproot or pyarrow read it, or fails with one clear line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.inspection import inspect, render
from mlaas4hep.streaming.readers import Source, open_source
from mlaas4hep.streaming.readers.root_file import list_trees

DATA = Path(os.environ.get("MLAAS4HEP_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
FOLDERS = (
    "root/nanoaod",
    "root/odd",
    "root/heptutorial",
    "root/htautau",
    "root/magic",
    "root/pythia",
    "faults/root",
    "higgs",
)
FILES = [
    str(path.relative_to(DATA))
    for folder in FOLDERS
    for path in sorted((DATA / folder).glob("*"))
    if path.suffix in {".root", ".parquet", ".gz"}
]
REFUSED = {
    "root/nanoaod/bad_delphes.root": "holds no tree; the file holds no objects",
    "root/nanoaod/nano_dy_malformed.parquet": "is not a Parquet file, or damaged",
    "root/odd/uproot-histograms.root": "there is no tree in the file, only one (TH1F), two (TH1F), three (TH1F)",
    "root/odd/uproot-issue70.root": "holds no tree; the file holds no objects",
}
MANY = tuple(f"root/nanoaod/{name}" for name in ("missing", "nanoAOD", "nano_dimuon", "nano_dy_empty", "nano_tt"))
NEEDS_DATA = pytest.mark.skipif(not FILES, reason=f"no test data at {DATA}; set MLAAS4HEP_TEST_DATA")


def same(ours: Column, theirs: Any) -> bool:
    """Bit for bit the same values (NaN equals NaN)."""
    if isinstance(ours, Jagged):
        counts = ak.to_numpy(ak.num(theirs)).astype(np.int64) if theirs.ndim > 1 else np.zeros(0, np.int64)
        if theirs.ndim > 2:
            counts *= int(np.prod([int(size) for size in str(theirs.type).split(" * ")[2:-1]]))
        values = ak.to_numpy(ak.flatten(theirs, axis=None))
        return np.array_equal(ours.counts, counts) and np.array_equal(
            ours.values, values, equal_nan=values.dtype.kind == "f"
        )
    values = ak.to_numpy(theirs)
    return ours.dtype == values.dtype and np.array_equal(ours, values, equal_nan=values.dtype.kind == "f")


def read_all(source: Source) -> None:
    """Read everything, and compare with what the list of branches says."""
    names = [branch.name for branch in source.branches.values() if branch.kind != "unsupported"]
    columns = source.read(names, 0, source.entries)
    for branch in names:
        column = columns[branch]
        assert len(column) == source.entries
        assert isinstance(column, Jagged) == (source.branches[branch].kind == "jagged")
        values = column.values if isinstance(column, Jagged) else column
        assert values.dtype.name == source.branches[branch].dtype
        assert values.dtype.isnative
    assert source.clusters[0] == 0
    assert source.clusters[-1] == source.entries
    assert list(source.clusters) == sorted(set(source.clusters))
    source.close()


@NEEDS_DATA
@pytest.mark.parametrize("name", FILES)
def test_reads_fully_or_fails_clearly(name: str) -> None:
    path = str(DATA / name)
    if name in REFUSED:
        with pytest.raises(MLaaS4HEPError) as caught:
            open_source(path, None)
        assert REFUSED[name] in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    trees: list[str | None] = [tree for tree, _, _ in list_trees(path)] if path.endswith(".root") else [None]
    assert trees
    for tree in trees:
        read_all(open_source(path, tree))


@NEEDS_DATA
@pytest.mark.parametrize("name", [name for name in FILES if name not in REFUSED and "nanoaod" not in name])
def test_everything_can_be_inspected(name: str) -> None:
    assert render(inspect(str(DATA / name))).startswith(str(DATA / name))


@NEEDS_DATA
@pytest.mark.parametrize(
    "name", [name for name in FILES if name.endswith(".root") and name not in REFUSED and not name.startswith(MANY)]
)
def test_root_values_are_uproots(name: str) -> None:
    with uproot.open(DATA / name) as file:
        for tree, kind, entries in list_trees(str(DATA / name)):
            source = open_source(str(DATA / name), tree)
            theirs = file[tree]
            start, stop = entries // 3, entries - entries // 4
            known = set(theirs.keys(full_paths=False) if kind == "TTree" else theirs.keys())
            known.discard("jd32")  # whose range uproot does not find
            names = [
                branch.name
                for branch in source.branches.values()
                if branch.kind != "unsupported" and branch.name in known
            ][::3][:24]
            ours = source.read(names, start, stop)
            for branch in names:
                array = theirs[branch].array(entry_start=start, entry_stop=stop, library="ak")
                assert same(ours[branch], array), branch
            source.close()


def test_ttree_and_rntuple_of_the_same_data_are_the_same(shared_data: Path) -> None:
    folder = shared_data / "root" / "nanoaod"
    ttree = open_source(str(folder / "nano_dimuon.root"), "Events")
    rntuple = open_source(str(folder / "nano_dimuon_rntuple.root"), "Events")
    assert {(b.name, b.kind, b.hidden) for b in ttree.branches.values()} == {
        (b.name, b.kind, b.hidden) for b in rntuple.branches.values()
    }
    names = list(ttree.branches)
    ours, theirs = ttree.read(names, 5, 31), rntuple.read(names, 5, 31)
    for name in names:
        a, b = ours[name], theirs[name]
        if isinstance(a, Jagged):
            assert isinstance(b, Jagged)
            assert a.tolist() == b.tolist()
        else:
            assert isinstance(b, np.ndarray)
            np.testing.assert_array_equal(a, b)


def test_parquet_of_the_same_data_is_the_same(shared_data: Path) -> None:
    folder = shared_data / "root" / "nanoaod"
    ttree = open_source(str(folder / "nano_dimuon.root"), "Events")
    table = open_source(str(folder / "nano_dimuon.parquet"), None)
    names = [name for name in ttree.branches if name in table.branches]
    assert len(names) == len(table.branches) == pq.read_schema(folder / "nano_dimuon.parquet").names.__len__()
    ours, theirs = ttree.read(names, 0, 40), table.read(names, 0, 40)
    for name in names:
        a, b = ours[name], theirs[name]
        assert a.tolist() == b.tolist(), name
