"""WebHDFS from a server of the tests' own, and what ``hdfs://`` says where there is no Hadoop."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.errors import FrameworkMissingError
from mlaas4hep.errors.reading import FolderError, MissingFileError, UnreachableError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.remote.version import version_of
from tests.support.bare_environment import bare_environment
from tests.support.http_files import CONNECTIONS_LEFT
from tests.support.webhdfs import webhdfs_server
from tests.support.xrootd_servers import free_port

pytestmark = CONNECTIONS_LEFT


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare_environment(monkeypatch, tmp_path)
    for name in ("JAVA_HOME", "HADOOP_HOME", "CLASSPATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    pytest.importorskip("requests", reason="the package requests is not installed")
    with webhdfs_server(folder) as found:
        yield found


def test_a_tree_equals_that_of_the_local_file(url: str, folder: Path, pythia: Path) -> None:
    shutil.copy(pythia / "ttbar.root", folder / "ttbar.root")
    remote = open_source(f"{url}/ttbar.root", "Events")
    local = open_source(str(pythia / "ttbar.root"), "Events")
    ours, theirs = (source.read(["MET_pt", "Jet_pt"], 10, 500) for source in (remote, local))
    np.testing.assert_array_equal(np.asarray(ours["MET_pt"]), np.asarray(theirs["MET_pt"]))
    assert ours["Jet_pt"].tolist() == theirs["Jet_pt"].tolist()


def test_a_table_and_its_version(url: str, folder: Path) -> None:
    (folder / "a.csv").write_text("x\n1\n2\n")
    os.utime(folder / "a.csv", (1_700_000_000, 1_700_000_000))
    np.testing.assert_array_equal(open_source(f"{url}/a.csv", None).read(["x"], 0, 2)["x"], [1, 2])
    first = version_of(f"{url}/a.csv")
    assert first is not None
    assert version_of(f"{url}/a.csv") == first
    (folder / "a.csv").write_text("x\n1\n3\n")
    assert version_of(f"{url}/a.csv") not in {first, None}


def test_what_is_not_there(url: str, folder: Path) -> None:
    (folder / "folder.csv").mkdir()
    with pytest.raises(MissingFileError):
        open_source(f"{url}/nothing.csv", None)
    with pytest.raises(FolderError):
        open_source(f"{url}/folder.csv", None)
    with pytest.raises(UnreachableError):
        open_source(f"webhdfs://localhost:{free_port()}/a.csv", None)


def test_what_hdfs_needs_is_named() -> None:
    with pytest.raises(FrameworkMissingError) as caught:
        open_source("hdfs://namenode/a.csv", None)
    text = "reading hdfs:// needs Java and Hadoop's client, but JAVA_HOME and HADOOP_HOME and CLASSPATH are not set"
    assert str(caught.value).startswith(text)
