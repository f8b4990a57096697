"""Servers that really fail: what is read on, what is given up, as what, and after how long.

Time-outs are short here. With ``MLAAS4HEP_REMOTE=long`` (``make test-remote``) they are those of users; then each
failure has to be known within a minute, and the seconds are shown.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors import FileReadError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.root.remote import RemoteSource
from mlaas4hep.streaming.remote import policy
from mlaas4hep.streaming.remote.location import RemotePath
from tests.support.cli import Outcome, run
from tests.support.grid import Authority
from tests.support.http_files import Quiet, served
from tests.support.https_files import site
from tests.support.session_authority import session_authority
from tests.support.xrootd_cluster import cluster
from tests.support.xrootd_servers import XRootD, free_port, xrootd_folder

LONG = os.environ.get("MLAAS4HEP_REMOTE") == "long"
POLICY = (
    Remote()
    if LONG
    else Remote(connection_timeout=2, request_timeout=2, stream_timeout=2, longest_pause=0.5, give_up_after=2.5)
)
PROMISE = 60.0
BRANCHES = ["MET_pt", "Jet_pt"]
AWAY, SLOW = "the server cannot be reached (tried", "the server does not answer in time"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    policy.forget()


@pytest.fixture(scope="module")
def folder(pythia: Path) -> Iterator[Path]:
    with xrootd_folder() as found:
        shutil.copy(pythia / "ggH_tautau.root", found / "store" / "ggH.root")
        (found / "store" / "table.csv").write_text("x\n" + "\n".join(map(str, range(600_000))) + "\n")
        yield found


@pytest.fixture
def server(folder: Path) -> Iterator[XRootD]:
    found = XRootD(folder, "first")
    yield found
    found.go_on()
    found.kill()


@pytest.fixture
def replica(folder: Path) -> Iterator[XRootD]:
    found = XRootD(folder, "second")
    yield found
    found.kill()


def path_of(*servers: XRootD, name: str = "ggH.root", remote: Remote = POLICY) -> RemotePath:
    first, *others = [f"{server.url}//store/{name}" for server in servers]
    return RemotePath(first, others, remote)


def assert_same(ours: dict[str, Column], theirs: dict[str, Column]) -> None:
    for name, column in theirs.items():
        other = ours[name]
        if isinstance(column, Jagged):
            assert isinstance(other, Jagged)
            np.testing.assert_array_equal(other.offsets, column.offsets)
            np.testing.assert_array_equal(other.values, column.values)
        else:
            np.testing.assert_array_equal(np.asarray(other), column)


@pytest.mark.parametrize("fault", ["killed", "hung"])
def test_with_a_second_replica_reading_goes_on_with_no_loss(
    server: XRootD, replica: XRootD, pythia: Path, fault: str
) -> None:
    local = open_source(str(pythia / "ggH_tautau.root"), "Events")
    source = open_source(path_of(server, replica), "Events")
    assert_same(source.read(BRANCHES, 0, 1000), local.read(BRANCHES, 0, 1000))
    server.kill() if fault == "killed" else server.pause()
    for start in range(1000, 8000, 1000):
        assert_same(source.read(BRANCHES, start, start + 1000), local.read(BRANCHES, start, start + 1000))
    source.close()
    local.close()


def test_a_table_is_read_on_from_the_replica(server: XRootD, replica: XRootD) -> None:
    source = open_source(path_of(server, replica, name="table.csv"), None)
    np.testing.assert_array_equal(source.read(["x"], 0, 1000)["x"], np.arange(1000))
    server.kill()
    np.testing.assert_array_equal(source.read(["x"], 1000, 600_000)["x"], np.arange(1000, 600_000))
    source.close()


def test_the_next_redirector_is_taken_from_the_beginning(replica: XRootD) -> None:
    dead = f"root://localhost:{free_port()}//store/ggH.root"
    source = open_source(RemotePath(dead, [f"{replica.url}//store/ggH.root"], POLICY), "Events")
    assert source.entries == 8000
    source.close()


def test_a_restarted_server_is_read_on(server: XRootD, pythia: Path) -> None:
    local = open_source(str(pythia / "ggH_tautau.root"), "Events")
    source = open_source(path_of(server, remote=Remote(longest_pause=0.5)), "Events")
    source.read(BRANCHES, 0, 1000)
    server.kill()
    starter = threading.Timer(25 if LONG else 2, server.start)
    starter.start()
    assert_same(source.read(BRANCHES, 1000, 8000), local.read(BRANCHES, 1000, 8000))
    starter.join()
    source.close()
    local.close()


MODEL = """
import os, signal
from sklearn.linear_model import SGDClassifier
def model():
    for group in {groups}:
        os.killpg(group, signal.SIGKILL)
    return SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01)
"""
SETTINGS = """
samples:
  - {{name: signal, files: {store}/ggH.root, label: 1}}
  - {{name: background, files: {store}/ttbar.root, label: 0}}
features: {{include: [MET_pt, HT]}}
training: {{model: model.py, epochs: 1}}
reading:
  redirector: {redirectors}
  remote: {policy}
"""


def trained(tmp_path: Path, name: str, store: str, redirectors: list[str], killed: list[int]) -> Outcome:
    """Train; the servers are killed when the first pass is over."""
    (tmp_path / "model.py").write_text(MODEL.format(groups=killed))
    text = SETTINGS.format(store=store, redirectors=redirectors, policy=POLICY.model_dump_json())
    (tmp_path / f"{name}.yaml").write_text(text)
    return run("train", tmp_path / f"{name}.yaml", "--fout", tmp_path / name, "--json")


def test_a_training_goes_on_with_the_replica_and_ends_without(
    server: XRootD, replica: XRootD, folder: Path, pythia: Path, tmp_path: Path
) -> None:
    shutil.copy(pythia / "ttbar.root", folder / "store" / "ttbar.root")
    (tmp_path / "local").mkdir()
    for name in ("ggH", "ttbar"):
        shutil.copy(folder / "store" / f"{name}.root", tmp_path / "local" / f"{name}.root")
    local = trained(tmp_path, "plain", "local", [server.url], [])
    assert local.code == 0, local.err
    remote = trained(tmp_path, "remote", "/store", [server.url, replica.url], [server.group])
    assert remote.code == 0, remote.err
    assert json.loads(remote.out)["metrics"] == json.loads(local.out)["metrics"]
    policy.forget()
    server.kill()
    server.start()
    before = time.monotonic()
    lost = trained(tmp_path, "lost", "/store", [server.url, replica.url], [server.group, replica.group])
    assert lost.code == 2
    assert f"{server.url}//store/" in lost.error
    assert "cannot be reached" in lost.error
    assert time.monotonic() - before < PROMISE
    assert not (tmp_path / "lost").exists()


@dataclass(frozen=True)
class Case:
    """A failure: what happens once the file is open (None: before), and what is said."""

    kind: str
    words: str
    fault: Callable[[XRootD], object] | None = None
    path: Callable[[XRootD], str] = lambda server: f"{server.url}//store/ggH.root"


CASES = {
    "killed while reading, never restarted": Case("unreachable", AWAY, XRootD.kill),
    "hung while reading": Case("timed out", SLOW, XRootD.pause),
    "refused port": Case("unreachable", AWAY, path=lambda _server: f"root://localhost:{free_port()}//store/a.root"),
    "unknown host": Case(
        "unreachable", "the host is unknown", path=lambda _server: "root://no-such-host.invalid//store/a.root"
    ),
    "missing file": Case("not found", "no such file", path=lambda server: f"{server.url}//store/nothing.root"),
    "folder": Case("folder", "is a folder, not a file", path=lambda server: f"{server.url}//store/folder.root"),
    "no permission": Case("permission denied", "permission denied", path=lambda server: f"{server.url}//store/no.root"),
    "refused port (https)": Case("unreachable", AWAY, path=lambda _server: f"https://localhost:{free_port()}/a.root"),
    "unknown host (https)": Case(
        "unreachable", "the host is unknown", path=lambda _server: "https://no-such-host.invalid/a.root"
    ),
}


def failure(url: str, then: Callable[[], object] | None = None) -> tuple[FileReadError, float]:
    """What reading a file says, and after how many seconds."""
    path, before = RemotePath(url, (), POLICY), time.monotonic()
    with pytest.raises(FileReadError) as caught:  # noqa: PT012 - either may fail
        source = open_source(path, "Events")
        if then is not None:
            source.read(["MET_pt"], 0, 1000)
            then()
            before = time.monotonic()
            source.read(BRANCHES, 1000, 8000)
    return caught.value, time.monotonic() - before


def judge(name: str, url: str, error: FileReadError, case: Case, seconds: float) -> None:
    assert error.kind == case.kind
    assert str(error).startswith(f"{url}")
    assert case.words in error.what
    assert error.hint
    assert seconds < (PROMISE if LONG else PROMISE / 2)
    if LONG:
        sys.stderr.write(f"\n| {name} | {error.kind} | {seconds:.1f} |\n")


@pytest.mark.parametrize("name", CASES)
def test_a_failure_has_the_right_class_and_advice_in_time(server: XRootD, folder: Path, name: str) -> None:
    if name == "no permission":
        if os.geteuid() != 0:
            pytest.skip("only root can make a file that the server may not read")
        (folder / "store" / "no.root").touch(mode=0o600)
        os.chown(folder / "store" / "no.root", 0, 0)
    (folder / "store" / "folder.root").mkdir(exist_ok=True)
    case = CASES[name]
    url = case.path(server)
    fault = case.fault
    error, seconds = failure(url, None if fault is None else lambda: fault(server))
    judge(name, url, error, case, seconds)


def test_a_redirect_loop(folder: Path) -> None:
    loop = XRootD(folder, "loop", ["xrootd.redirect localhost:{port} /store"])
    url = f"{loop.url}//store/ggH.root"
    error, seconds = failure(url)
    loop.kill()
    judge("redirect loop", url, error, Case("unreachable", "redirects in a circle"), seconds)


class Circle(Quiet):
    """Redirects to itself."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_redirect_loop_of_a_web_server(tmp_path: Path) -> None:
    with served(Circle, tmp_path) as host:
        error, seconds = failure(f"http://{host}/a.root")
        case = Case("unreachable", "redirects in a circle")
        judge("redirect loop (http)", f"http://{host}/a.root", error, case, seconds)


def test_a_server_that_takes_connections_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("root", "http"):
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}//a.root"
            error, seconds = failure(url)
            judge(f"silent server ({scheme})", url, error, Case("timed out", SLOW), seconds)


OPEN = """
import json, sys, time
from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.remote.location import RemotePath
before = time.monotonic()
try:
    open_source(RemotePath(sys.argv[1], (), Remote(**json.loads(sys.argv[2]))), "Events")
except FileReadError as error:
    print(json.dumps([error.kind, str(error), time.monotonic() - before]))
"""


@pytest.fixture
def black_hole() -> Iterator[tuple[str, str]]:
    """A network of its own, and an address in it from where nothing ever comes back."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("only root can make a network, with the program ip")
    name = f"hole{uuid.uuid4().hex[:8]}"

    def ip(*words: str) -> bool:
        return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0

    if not ip("netns", "add", name):
        pytest.skip("this machine cannot make a network of its own")
    try:
        inside = ("netns", "exec", name, "ip")
        made = ip(*inside, "link", "add", "d0", "type", "veth", "peer", "name", "d1")
        made = made and ip(*inside, "addr", "add", "10.9.9.1/24", "dev", "d0")
        made = made and ip(*inside, "link", "set", "d0", "up") and ip(*inside, "link", "set", "d1", "up")
        neighbour = ("neigh", "add", "10.9.9.2", "lladdr", "02:00:00:00:00:02", "dev", "d0", "nud", "permanent")
        if not (made and ip(*inside, *neighbour)):
            pytest.skip("this machine cannot make a network of its own")
        yield name, "10.9.9.2"
    finally:
        ip("netns", "del", name)


@pytest.mark.parametrize("scheme", ["root", "https"])
def test_a_black_hole(black_hole: tuple[str, str], scheme: str) -> None:
    network, address = black_hole
    url = f"{scheme}://{address}//store/a.root"
    command = ["ip", "netns", "exec", network, sys.executable, "-c", OPEN, url, POLICY.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    kind, text, seconds = json.loads(done.stdout)
    assert kind == "timed out"
    assert text.startswith(f"{url}: {SLOW}")
    assert seconds < PROMISE
    if LONG:
        sys.stderr.write(f"\n| black-holed host ({scheme}) | {kind} | {seconds:.1f} |\n")


@pytest.mark.parametrize("fault", ["killed", "hung"])
def test_behind_a_redirector_the_other_server_is_asked(pythia: Path, fault: str) -> None:
    """The URL has one place, and the redirector knows two."""
    file = pythia / "ggH_tautau.root"
    local = open_source(str(file), "Events")
    with cluster([[file], [file]]) as found:
        source = open_source(RemotePath(f"{found.url}//store/{file.name}", (), Remote()), "Events")
        assert_same(source.read(BRANCHES, 0, 1000), local.read(BRANCHES, 0, 1000))
        serving = next(server for server in found.servers if has_open(server, file.name))
        serving.kill() if fault == "killed" else serving.pause()
        assert_same(source.read(BRANCHES, 1000, 8000), local.read(BRANCHES, 1000, 8000))
        serving.go_on()
        source.close()
    local.close()


def has_open(server: XRootD, name: str) -> bool:
    """Whether a process of the server has a file of this name open."""
    own = psutil.Process(server.group)
    files = [Path(f"/proc/{one.pid}/fd") for one in (own, *own.children(recursive=True))]
    return any(link.resolve().name == name for folder in files for link in folder.iterdir())


@pytest.mark.parametrize("wrong", ["authority", "token"])
def test_a_web_server_that_is_not_trusted_or_does_not_trust(tmp_path: Path, pythia: Path, wrong: str) -> None:
    shutil.copy(pythia / "ggH_tautau.root", tmp_path / "ggH.root")
    authority = Authority(tmp_path / "other", "Another Authority") if wrong == "authority" else session_authority()
    with site(tmp_path, authority) as made:
        made.token = "another" if wrong == "token" else None
        error, seconds = failure(f"{made.url}/ggH.root")
        words = "no secure connection could be made" if wrong == "authority" else "the server refused your identity"
        judge(f"wrong {wrong} (https)", f"{made.url}/ggH.root", error, Case("authentication", words), seconds)


def test_an_xrootd_server_with_a_certificate_of_another_authority(folder: Path, tmp_path: Path) -> None:
    """In a process of its own: the client reads the authorities once."""
    other = Authority(folder / "other", "Another Authority")
    certificate, key = other.host(folder / "tls", "localhost")
    lines = [f"xrd.tls {certificate} {key}", f"xrd.tlsca certdir {other.folder}", "xrootd.tls all"]
    server = XRootD(folder, "tls", lines)
    url = f"{server.url.replace('root:', 'roots:')}//store/ggH.root"
    environment = {**os.environ, "X509_CERT_DIR": str(Authority(tmp_path / "ours").folder)}
    command = [sys.executable, "-c", OPEN, url, POLICY.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    server.kill()
    kind, text, seconds = json.loads(done.stdout)
    assert kind == "authentication"
    assert text.startswith(f"{url}: no secure connection could be made")
    assert seconds < PROMISE


CONTENT = np.random.default_rng(3).bytes(3_000_000)
ranges = st.lists(
    st.tuples(st.integers(0, len(CONTENT)), st.sampled_from([0, 1, 50, 70_000, 2_500_000])).map(
        lambda p: (p[0], sum(p))
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[str]:
    (folder / "store" / "plain.bin").write_bytes(CONTENT)
    found = XRootD(folder, "plain")
    yield f"{found.url}//store/plain.bin"
    found.kill()


@given(wanted=ranges)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_ranges_at_once_are_those_of_the_file(plain: str, wanted: list[tuple[int, int]]) -> None:
    """Also those that overlap, are the same, are empty, or go beyond the end."""
    opened: Any = RemoteSource.connect(plain)
    assert opened.read(wanted) == [CONTENT[start:stop] for start, stop in wanted]
    opened.close()
