"""All branches of real files that are read directly are what uproot reads, bit for bit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.streaming.readers.root_file import list_trees
from mlaas4hep.streaming.readers.ttree.types import interpreted, known_at_a_glance
from tests.streaming.readers.uproot_reference import assert_same, direct, open_tree, reference

DATA = Path(os.environ.get("MLAAS4HEP_TEST_DATA", Path(__file__).resolve().parents[6] / "shared" / "data")) / "root"
NO_TREES = {"bad_delphes.root", "uproot-histograms.root", "uproot-issue70.root"}
FILES = [str(path.relative_to(DATA)) for path in sorted(DATA.glob("*/*.root")) if path.name not in NO_TREES]
NEEDS_DATA = pytest.mark.skipif(not FILES, reason=f"no test data at {DATA}; set MLAAS4HEP_TEST_DATA")
# Branches of numbers that are read directly, and all of them.
DIRECT = {
    "nanoaod/nano_tt_v15.root": (2656, 2656),
    "nanoaod/nanoAOD_2015_CMS_Open_Data_ttbar.root": (0, 947),
    "odd/uproot-HZZ-lz4.root": (51, 51),
    "odd/uproot-HZZ-lzma.root": (51, 51),
    "odd/uproot-HZZ-uncompressed.root": (51, 51),
    "odd/uproot-Zmumu-zstd.root": (19, 19),
    "odd/uproot-double32-float16.root": (0, 12),
    "odd/uproot-stl_containers.root": (1, 1),
}


@NEEDS_DATA
@pytest.mark.parametrize("name", FILES)
def test_every_branch_is_as_uproot_reads_it(name: str) -> None:
    for tree, kind, _ in list_trees(str(DATA / name)):
        if kind != "ROOT::RNTuple":
            compare(name, tree)


def compare(name: str, tree: str) -> None:
    """All branches that are read directly, in several ranges."""
    source = open_tree(DATA / name, tree)
    names = [branch.name for branch in source.branches.values() if branch.kind != "unsupported"]
    found, entries = source.direct(names), source.entries
    if name in DIRECT and tree in {"Events", "events", "tree"}:
        assert (len(found), len(names)) == DIRECT[name]
    third = entries // 3
    for start, stop in {(0, entries), (third, entries - third), (third, min(third + 1, entries)), (entries, entries)}:
        columns = direct(source, names, start, stop)
        assert list(columns) == list(found)
        for branch, column in columns.items():
            assert_same(column, reference(source._leaves[branch].tbranch, start, stop))
    source.close()


@NEEDS_DATA
@pytest.mark.parametrize("name", ["htautau/DYJetsToLLSkim.root", "heptutorial/single_top.root"])
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ends=st.tuples(st.floats(0, 1), st.floats(0, 1)), step=st.integers(1, 9))
def test_any_range_of_files_with_many_baskets(name: str, ends: tuple[float, float], step: int) -> None:
    source = open_tree(DATA / name, list_trees(str(DATA / name))[0][0])
    start, stop = (int(end * source.entries) for end in sorted(ends))
    for branch, column in direct(source, list(source.branches)[step::9], start, stop).items():
        assert_same(column, reference(source._leaves[branch].tbranch, start, stop))
    source.close()


@NEEDS_DATA
@pytest.mark.parametrize("name", FILES)
def test_kinds_known_at_a_glance_are_those_of_the_interpretation(name: str) -> None:
    plain = 0
    for tree, kind, _ in list_trees(str(DATA / name)):
        if kind != "ROOT::RNTuple":
            for leaf in open_tree(DATA / name, tree)._leaves.values():
                glance = known_at_a_glance(leaf.tbranch)
                plain += glance is not None
                assert glance is None or [glance] == interpreted(leaf.tbranch)
    assert plain or "odd" in name or "rntuple" in name
