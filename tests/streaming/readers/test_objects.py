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
