"""The private name of uproot that listing the branches of an RNTuple sets: a version that renames it fails here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import uproot


def test_uproot_keeps_the_children_of_a_field_once_they_are_found(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("Events", {"pt": np.arange(3.0), "eta": np.arange(3.0)})
    with uproot.open(tmp_path / "a.root") as file:
        first, second = file["Events"].all_fields
        assert first._fields is None
        mark = [second]
        first._fields = mark
        assert first.fields is mark
