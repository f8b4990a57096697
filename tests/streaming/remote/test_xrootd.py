"""XRootD: data through a real server, and failures that come in time and in plain words."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors import FileReadError, FrameworkMissingError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.inspection import inspect
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.root.remote import RemoteSource
from mlaas4hep.streaming.readers.root_file import list_trees
from mlaas4hep.streaming.remote import xrootd
from mlaas4hep.streaming.remote.location import resolve
from mlaas4hep.streaming.remote.waiting import hang_up, wait_again


class Server(Protocol):
    """What the fixture gives."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def served(xrootd_server: Server, pythia: Path) -> str:
    """URL of a copy of an example file on the server."""
    shutil.copy(pythia / "ggH_tautau.root", xrootd_server.folder / "ggH.root")
    return f"{xrootd_server.url}//store/ggH.root"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(8)
        yield int(sock.getsockname()[1])


def test_remote_data_equal_local_data(served: str, pythia: Path) -> None:
    remote = open_source(served, "Events")
    local = open_source(str(pythia / "ggH_tautau.root"), "Events")
    assert remote.path == served
    assert (remote.identity, remote.entries, remote.branches) == (local.identity, local.entries, local.branches)
    names = list(local.branches)
    ours, theirs = remote.read(names, 100, 700), local.read(names, 100, 700)
    for name in names:
        a, b = ours[name], theirs[name]
        if isinstance(a, Jagged) and isinstance(b, Jagged):
            np.testing.assert_array_equal(a.offsets, b.offsets)
            np.testing.assert_array_equal(a.values, b.values)
        else:
            assert isinstance(a, np.ndarray)
            np.testing.assert_array_equal(a, b)
    remote.close()
    local.close()


def test_logical_name_behind_the_redirector(served: str, xrootd_server: Server) -> None:
    assert resolve("/store/ggH.root", xrootd_server.url + "/") == served
    assert list_trees(resolve("/store/ggH.root", xrootd_server.url)) == [("Events", "TTree", 8000)]


def test_inspect_a_remote_file(served: str) -> None:
    found = inspect(served)
    assert found.size is None
    assert found.trees[0].entries == 8000


def test_tables_are_read_too(xrootd_server: Server) -> None:
    (xrootd_server.folder / "table.csv").write_text("a,b\n1,2.5\n3,4.5\n", encoding="utf-8")
    source = open_source(f"{xrootd_server.url}//store/table.csv", None)
    np.testing.assert_array_equal(source.read(["b"], 0, 2)["b"], [2.5, 4.5])


def test_missing_remote_file(served: str) -> None:
    missing = served.replace("ggH", "nothing")
    with pytest.raises(FileReadError) as caught:
        open_source(missing, "Events")
    assert str(caught.value) == f"{missing}: no such file; check the path; it follows the host after a double slash"


def test_missing_remote_table(xrootd_server: Server) -> None:
    with pytest.raises(FileReadError, match="no such file"):
        open_source(f"{xrootd_server.url}//store/nothing.parquet", None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that the server may not read")
def test_permission_denied(served: str, xrootd_server: Server) -> None:
    path = xrootd_server.folder / "secret.root"
    path.write_bytes(b"root")
    path.chmod(0o600)
    with pytest.raises(FileReadError, match="permission denied; check your token or proxy certificate"):
        open_source(served.replace("ggH", "secret"), "Events")


def test_remote_file_that_is_not_root(xrootd_server: Server) -> None:
    (xrootd_server.folder / "text.root").write_text("hello " * 200, encoding="utf-8")
    with pytest.raises(FileReadError, match=r"text\.root: is not a ROOT file"):
        open_source(f"{xrootd_server.url}//store/text.root", "Events")


def test_truncated_remote_file(xrootd_server: Server, served: str, pythia: Path) -> None:
    data = (pythia / "ggH_tautau.root").read_bytes()
    (xrootd_server.folder / "half.root").write_bytes(data[: len(data) // 2])
    with pytest.raises(FileReadError, match=r"half\.root: "):
        open_source(served.replace("ggH", "half"), "Events")


def test_folder_on_the_server(xrootd_server: Server) -> None:
    (xrootd_server.folder / "folder.root").mkdir()
    with pytest.raises(FileReadError, match="is a folder, not a file"):
        open_source(f"{xrootd_server.url}//store/folder.root", "Events")


@pytest.mark.parametrize("end", ["close", "stop"])
def test_reads_that_wait_for_a_silent_server_end(silent_port: int, end: str) -> None:
    """Whoever closes the file, or stops the command, waits for no server."""
    pytest.importorskip("XRootD")
    opened = RemoteSource.connect(f"root://127.0.0.1:{silent_port}//store/a.root")
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(opened.read, [(start, start + 10)]) for start in range(4)]
        opened.close() if end == "close" else hang_up()
        for one in reads:
            with pytest.raises(OSError, match="closed"):
                one.result(5)
    wait_again()


def test_url_without_host() -> None:
    pytest.importorskip("XRootD")
    with pytest.raises(FileReadError, match="the URL has no host; write root://host//path"):
        open_source("root:///store/a.root", "Events")


SHOW = """
from XRootD import client
from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.streaming.remote import xrootd
xrootd.configure()
for name in xrootd.settings_of(Remote()):
    print(name, client.EnvGetInt(name))
"""


def test_time_outs_are_set_and_the_users_own_are_kept() -> None:
    pytest.importorskip("XRootD")
    environment = {**os.environ, "XRD_REQUESTTIMEOUT": "77"}
    shown = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True)
    values = dict(line.split() for line in shown.stdout.splitlines())
    usual = xrootd.settings_of(Remote())
    assert values == {**{name: str(value) for name, value in usual.items()}, "RequestTimeout": "77"}


def test_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    xrootd.configure.cache_clear()
    monkeypatch.setitem(sys.modules, "XRootD.client", None)
    with pytest.raises(FrameworkMissingError, match=r"pip install 'mlaas4hep\[xrootd\]'"):
        open_source("root://localhost//a.root", "Events")


def test_the_end_of_a_training_with_torch_prints_nothing() -> None:
    """The client looks at every object as the process ends, and torch's deprecated names speak up."""
    pytest.importorskip("torch")
    pytest.importorskip("XRootD")
    code = "import torch.distributed; from mlaas4hep.streaming.remote.xrootd import configure; configure()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert result.stderr == ""
