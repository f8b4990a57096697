"""Members of objects are branches, and what ROOT's own RDataFrame adds up is what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.inspection import inspect
from mlaas4hep.streaming.readers import open_source

FILES = ["lv_a.root", "lv_b.root", "clones.root", "types2.root", "f16.root"]


def figures(path: Path, tree: str, expected: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The figures that are expected of each branch."""
    source = open_source(str(path), tree)
    columns = source.read(list(expected), 0, source.entries)
    source.close()
    found: dict[str, dict[str, float]] = {}
    for name, column in columns.items():
        values = (column.values if isinstance(column, Jagged) else column).astype(np.float64)
        every = {"entries": len(column), "values": len(values), "sum": values.sum()}
        if len(values):
            every |= {"min": values.min(), "max": values.max()}
        found[name] = {what: float(every[what]) for what in expected[name]}
    return found


@pytest.mark.parametrize("name", FILES)
def test_sums_are_those_of_root(shared_data: Path, name: str) -> None:
    truth: Any = json.loads((shared_data / "faults" / "truth.json").read_text(encoding="utf-8"))[name]
    found = figures(shared_data / "faults" / "root" / name, "Events", truth)
    for branch, expected in truth.items():
        assert found[branch] == pytest.approx(expected, rel=1e-9, abs=1e-6), branch


@pytest.mark.parametrize("name", [*FILES, "uproot-issue-569.root"])
def test_storage_of_objects_is_not_shown(shared_data: Path, name: str) -> None:
    for tree in inspect(str(shared_data / "faults" / "root" / name)).trees:
        for branch in tree.branches:
            assert "@" not in branch.name
            assert not branch.name.endswith(("fBits", "fUniqueID")), branch.name


def test_objects_that_were_not_split(shared_data: Path) -> None:
    """The same vectors, once with a branch for all and once written as they are."""
    source = open_source(str(shared_data / "faults" / "root" / "types2.root"), "Events")
    members = ("fP_fX", "fP_fY", "fP_fZ", "fE")
    columns = source.read([f"{branch}_{member}" for branch in ("p4", "p4n") for member in members], 10, 2900)
    for member in members:
        np.testing.assert_array_equal(columns[f"p4_{member}"], columns[f"p4n_{member}"])
    source.close()


OWN = Path(__file__).resolve().parents[3] / "data" / "objects.root"
NUMBER = np.arange(40.0)


def test_branches_whose_names_come_close() -> None:
    source = open_source(str(OWN), "names")
    starts = {"a/b": 0, "a.b": 1000, "a_b": 2000, "leaves/p": 3000, "leaves.p": 1000, "leaves_p": 2000}
    for name, column in source.read(list(starts), 0, 40).items():
        np.testing.assert_array_equal(column, NUMBER + starts[name])
    assert (source.branches["twice"].kind, source.branches["f16"].kind) == ("unsupported", "unsupported")
    assert "order" in (source.branches["twice"].why or "")
    assert "Float16_t" in (source.branches["f16"].why or "")
    source.close()


def test_ranges_behind_sizes_of_arrays() -> None:
    """What is stored are integers within the range, which stands behind the brackets of the size."""
    source = open_source(str(OWN), "names")
    columns = source.read(["d32", "d32pi"], 0, 40)
    for name, length in (("d32", NUMBER % 4), ("d32pi", np.full(40, 4))):
        column = columns[name]
        assert isinstance(column, Jagged)
        np.testing.assert_array_equal(column.counts, length)
        expected = np.concatenate([np.arange(1, count + 1) for count in length])
        np.testing.assert_allclose(column.values, expected, atol=200 / 2**20)
    source.close()


def test_members_of_classes_and_of_their_bases() -> None:
    source = open_source(str(OWN), "classes")
    expected = {"First_x": NUMBER + 1000, "Second_x": NUMBER + 2000, "x": NUMBER}
    expected = {f"{branch}_{name}": values for branch in ("both", "dot") for name, values in expected.items()}
    expected |= {"id": NUMBER, "w": NUMBER / 2, "dot_First_id": NUMBER, "simple_a": NUMBER, "simple_c": 3 * NUMBER}
    columns = source.read([*expected, "arr", "dot_m", "dot_range", "list_fX", "list_fY"], 0, 40)
    for name, values in expected.items():
        np.testing.assert_array_equal(columns[name], values)
    assert columns["arr"].tolist() == [[n, n + 1, n + 2] for n in range(40)]
    assert columns["dot_m"].tolist() == [list(range(6))] * 40
    assert isinstance(columns["dot_range"], np.ndarray)
    np.testing.assert_allclose(columns["dot_range"], NUMBER, atol=100 / 2**16)
    assert columns["list_fX"].tolist() == [[n] * (n % 3) for n in range(40)]
    assert columns["list_fY"].tolist() == [list(range(n % 3)) for n in range(40)]
    kinds = {name: source.branches[name].kind for name in ("nested", "reference")}
    assert set(kinds.values()) == {"unsupported"}
    source.close()


def test_objects_that_others_refer_to() -> None:
    """They have two bytes more, which would be taken for members; nothing is read rather than something wrong."""
    source = open_source(str(OWN), "referenced")
    assert source.branches["p4"].kind == "unsupported"
    assert "other objects refer to them" in (source.branches["p4"].why or "")
    np.testing.assert_array_equal(source.read(["pt"], 0, 40)["pt"], NUMBER)
    source.close()
