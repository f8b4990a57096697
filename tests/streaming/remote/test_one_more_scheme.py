"""A storage scheme is one module and one line in the table: files of all formats are read, and told apart."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest
import uproot

from mlaas4hep.streaming.inspection import inspect
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.remote import schemes
from mlaas4hep.streaming.remote.version import version_of
from tests.streaming.remote import toy_scheme

X = np.arange(40) / 4


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemes, "SCHEMES", (*schemes.SCHEMES, toy_scheme.SCHEME))
    toy_scheme.prepare()


def put(name: str, content: bytes) -> str:
    with fsspec.open(f"toy://store/{name}", "wb") as file:
        file.write(content)
    return f"toy://store/{name}"


def test_a_table_is_read() -> None:
    url = put("a.csv", "\n".join(["x", *map(str, X)]).encode())
    np.testing.assert_array_equal(open_source(url, None).read(["x"], 5, 40)["x"], X[5:])
    assert inspect(url).format == "csv"


def test_a_tree_is_read(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file["Events"] = {"x": X}
    url = put("a.root", (tmp_path / "a.root").read_bytes())
    np.testing.assert_array_equal(open_source(url, "Events").read(["x"], 5, 40)["x"], X[5:])


def test_versions_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_of("toy://store/a.csv") is None
    monkeypatch.setitem(toy_scheme.VERSIONS, "toy://store/a.csv", 3)
    assert version_of("toy://store/a.csv") == "version=3"
