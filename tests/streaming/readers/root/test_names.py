"""A name means one branch, in whatever order a file has its branches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import UnsupportedBranchError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.root.names import Stored, clean, public_names

PATHS = st.lists(st.sampled_from(["a", "b", "a_b", "b_a", "a.b", "a[2]", "b."]), min_size=1, max_size=3).map("/".join)


def stored(path: str) -> Stored:
    """As a reader of trees describes a branch."""
    return Stored(path, clean(path.rpartition("/")[2]), clean(path))


@given(st.lists(PATHS, max_size=8), st.randoms())
def test_order_does_not_matter(paths: list[str], random: object) -> None:
    branches = [stored(path) for path in paths]
    shuffled = list(branches)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    names = dict(zip(branches, public_names(branches), strict=True))
    assert dict(zip(shuffled, public_names(shuffled), strict=True)) == names


@given(st.lists(PATHS, max_size=8))
def test_a_name_has_one_branch_and_exactly_this_name_wins(paths: list[str]) -> None:
    names = public_names([stored(path) for path in paths])
    for path, name in zip(paths, names, strict=True):
        assert {other for other, same in zip(paths, names, strict=True) if same == name} == {path}
        if clean(path) == path:
            assert name == path


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(["Jet.pt", "Jet_pt", "x", "x.", "m.n", "m_n", "y.z"]))
def test_files_with_branches_in_another_order(tmp_path: Path, order: list[str]) -> None:
    values = {name: float(number) for number, name in enumerate(sorted(order))}
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", dict.fromkeys(order, "f4"))
        tree.extend({name: np.full(2, values[name], "f4") for name in order})
    source = open_source(str(path), "Events")
    columns = source.read(list(source.branches), 0, 2)
    found = {name: column[0] for name, column in columns.items() if isinstance(column, np.ndarray)}
    source.close()
    exact = {name: values[name] for name in order if name != "y.z"}
    assert found == {**exact, "y_z": values["y.z"]}


@pytest.mark.parametrize("name", ["nm1.root", "nm2.root"])
def test_a_dot_and_an_underscore(shared_data: Path, name: str) -> None:
    truth = json.loads((shared_data / "faults" / "truth.json").read_text(encoding="utf-8"))[name]
    source = open_source(str(shared_data / "faults" / "root" / name), "Events")
    assert sorted(source.branches) == ["Jet.pt", "Jet_pt"]
    for branch, column in source.read(["Jet.pt", "Jet_pt"], 0, source.entries).items():
        assert (column.min(), column.max()) == (truth[branch]["min"], truth[branch]["max"])  # type: ignore[union-attr]
    source.close()


def test_branches_of_one_name_are_not_read(tmp_path: Path) -> None:
    """Nothing but their order tells them apart."""
    branch = Stored("dup", "dup", "dup")
    assert public_names([branch, branch]) == ["dup", "dup"]
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"dux": "f4", "duy": "f4", "z": "f4"}).extend(
            dict.fromkeys(("dux", "duy", "z"), np.ones(2))
        )
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x03duy", b"\x03dux"))
    source = open_source(str(path), "Events")
    assert {name: branch.kind for name, branch in source.branches.items()} == {"dux": "unsupported", "z": "flat"}
    with pytest.raises(UnsupportedBranchError, match="nothing but the order tells it from another branch of this name"):
        source.read(["dux"], 0, 2)
    source.close()
