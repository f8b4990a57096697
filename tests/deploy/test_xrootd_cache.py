"""The proxy cache as it is deployed: a second training runs from it when every origin is dead."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.streaming.readers import open_source
from tests.support.cli import run
from tests.support.xrootd_servers import XRootD, free_port, xrootd_folder

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "xrootd-cache"
NAMES = ("ggH_tautau.root", "ttbar.root")


class Cache:
    """A running cache."""

    def __init__(self, folder: Path, origin: XRootD) -> None:
        self.port = free_port()
        self.environment = {
            **os.environ,
            "XCACHE_ORIGIN": f"localhost:{origin.port}",
            "XCACHE_FOLDER": str(folder),
            "XCACHE_PORT": str(self.port),
            "XCACHE_DISK_LOW": "0.98",
            "XCACHE_DISK_HIGH": "0.99",
        }
        self.process = subprocess.Popen(
            [FOLDER / "start.sh"], env=self.environment, start_new_session=True, stderr=subprocess.DEVNULL
        )
        for _ in range(400):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        logs = "".join(path.read_text(errors="replace") for path in folder.rglob("xrootd.log") if path.is_file())
        pytest.fail(f"the cache did not start:\n{logs[-3000:]}")

    def health(self, **more: str) -> tuple[int, str]:
        done = subprocess.run(
            [FOLDER / "health.sh"], env={**self.environment, **more}, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def origin(pythia: Path) -> Iterator[XRootD]:
    with xrootd_folder() as folder:
        for name in NAMES:
            shutil.copy(pythia / name, folder / "store" / name)
        server = XRootD(folder, "origin")
        yield server
        server.kill()


@pytest.fixture
def cache(origin: XRootD) -> Iterator[Cache]:
    folder = origin.folder / "cache"
    folder.mkdir()
    made = Cache(folder, origin)
    yield made
    made.kill()


def test_a_second_run_with_the_origin_dead(cache: Cache, origin: XRootD, pythia: Path, tmp_path: Path) -> None:
    urls = [f"root://localhost:{cache.port}//store/{name}" for name in NAMES]
    assert cache.health(XCACHE_TEST_FILE=f"/store/{NAMES[0]}")[0] == 0
    texts = []
    for number in range(2):
        output = tmp_path / f"{number}.json"
        done = run("specs", *urls, "-o", output)
        assert done.code == 0, done.err
        texts.append(output.read_text())
        origin.kill()
    assert texts[0] == texts[1]
    remote, local = open_source(urls[1], "Events"), open_source(str(pythia / NAMES[1]), "Events")
    ours, theirs = (np.asarray(source.read(["MET_pt"], 0, local.entries)["MET_pt"]) for source in (remote, local))
    np.testing.assert_array_equal(ours, theirs)


def test_health(cache: Cache) -> None:
    code, said = cache.health()
    assert code == 0
    assert said.startswith(f"cache localhost:{cache.port}: ok (version v")
    code, said = cache.health(XCACHE_MIN_FREE="999999999")
    assert code == 1
    assert "MiB are free" in said
    assert cache.health(XCACHE_TEST_FILE="/store/none.root") == (
        1,
        f"cache localhost:{cache.port}: cannot read /store/none.root\n",
    )
    cache.kill()
    assert cache.health() == (1, f"cache localhost:{cache.port}: does not answer\n")


@pytest.mark.parametrize("missing", ["XCACHE_ORIGIN", "XCACHE_FOLDER"])
def test_a_setting_that_is_missing(missing: str, tmp_path: Path) -> None:
    if shutil.which("xrootd") is None:
        pytest.skip("the program xrootd is not installed (Debian: xrootd-server)")
    settings = {"XCACHE_ORIGIN": "host:1094", "XCACHE_FOLDER": str(tmp_path), "PATH": os.environ["PATH"]}
    del settings[missing]
    done = subprocess.run([FOLDER / "start.sh"], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {missing} is not set")
