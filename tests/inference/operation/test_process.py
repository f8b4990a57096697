"""Addresses, ports, several processes, health, and signals other than those that stop."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.operation.process import addresses
from mlaas4hep.inference.operation.serve import check_addresses
from mlaas4hep.inference.settings import Security, Settings
from mlaas4hep.web.settings import Tls
from mlaas4hep.web.sockets import bind, hold, is_loopback
from tests.support.serve_process import ROOT, ServeProcess, eventually

Start = Callable[..., ServeProcess]
BODY = b'{"model": "scorer", "rows": [[1.0, 2.0, 3.0]]}'


def serve(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected not to start."""
    command = [sys.executable, "-m", "mlaas4hep.cli.main", "serve", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True), ("LOCALHOST", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", "")],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_other_addresses_want_authentication() -> None:
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0: only loopback .* without authentication; .* --insecure"):
        check_addresses(Settings(host="0.0.0.0"))
    check_addresses(Settings(host="0.0.0.0", insecure=True))
    check_addresses(Settings(host="0.0.0.0", security=Security(issuers=("https://iam.example",))))
    check_addresses(Settings(host="::1"))


def test_the_line_with_the_addresses() -> None:
    settings = Settings(host="::1", base_path="ml", tls=Tls(certificate=Path("a"), key=Path("b")))
    assert addresses(settings, 5, 6) == "serving models at https://[::1]:5/ml and grpcs://[::1]:6"
    assert addresses(Settings(), 5, None) == "serving models at http://127.0.0.1:5"


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("which", ["--port", "--grpc-port"])
def test_a_port_that_is_taken(models: Path, which: str, workers: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        other = "--grpc-port" if which == "--port" else "--port"
        done = serve("--repository", str(models), which, port, other, "0", "--workers", workers)
    assert done.returncode == 2
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if not line.startswith("{")] == [
        f"error: 127.0.0.1:{port}: the port is taken; choose another with --port or --grpc-port; 0 is any free one"
    ]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_refuses_to_be_open_to_everybody(models: Path, workers: str) -> None:
    done = serve("--repository", str(models), "--host", "0.0.0.0", "--workers", workers)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 0.0.0.0: only loopback addresses are served without authentication")
    assert done.stderr.count("\n") == 1


def test_a_folder_for_temporary_files_with_a_long_name(models: Path, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    done = serve("--repository", str(models), "--port", "0", "--grpc-port", "0", TMPDIR=str(long))
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert line == (
        f"error: {long}: the name of the folder for temporary files is too long for a local socket; "
        "set TMPDIR to another folder"
    )
    assert list(long.iterdir()) == []


def test_addresses_that_cannot_be_bound() -> None:
    with pytest.raises(ConfigError, match="not one of this machine's"):
        bind("192.0.2.1", 0)
    with pytest.raises(ConfigError, match="no such host"):
        bind("no.such.host.invalid", 0)
    with hold("127.0.0.1", 0, shared=True) as a, hold("127.0.0.1", a.getsockname()[1], shared=True) as b:
        assert a.getsockname() == b.getsockname()


def test_ipv6_and_insecure(start: Start) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").read_text().strip():
        pytest.skip("no IPv6 on this machine")
    serving = start({"host": "::", "insecure": True})
    assert httpx.get(f"http://[::1]:{serving.port}/health/ready").status_code == 200
    serving.stop()


def test_base_path_and_no_grpc(start: Start) -> None:
    serving = start({"base_path": "/ml", "grpc_port": None})
    assert serving.grpc == ""
    assert serving.url.endswith("/ml")
    for path in ("/health/ready", "/metrics", "/models", "/v2/health/ready"):
        assert httpx.get(serving.url + path).status_code == 200
    assert httpx.post(f"{serving.url}/predict", content=BODY).status_code == 200
    metrics = httpx.get(f"{serving.url}/metrics").text
    assert 'method="POST",route="/predict",status="200"' in metrics
    serving.stop()


def children(serving: ServeProcess) -> dict[int, psutil.Process]:
    found: dict[int, psutil.Process] = {}
    for child in psutil.Process(serving.process.pid).children():
        with contextlib.suppress(psutil.Error):  # it has just died
            if any("operation.worker" in part for part in child.cmdline()):
                found[child.pid] = child
    return found


def predicted(serving: ServeProcess) -> int:
    text = httpx.get(f"{serving.url}/metrics").text
    found = re.findall(r'mlaas4hep_requests_total\{[^}]*route="/predict",status="200"\} ([0-9]+)', text)
    return sum(int(number) for number in found)


def test_processes_share_ports_and_counters_and_are_replaced(start: Start) -> None:
    serving = start({"workers": 2})
    first = children(serving)
    assert len(first) == 2

    def predict(times: int) -> None:
        for _ in range(times):
            assert httpx.post(f"{serving.url}/predict", content=BODY).status_code == 200

    predict(40)
    assert eventually(lambda: predicted(serving) == 40)
    victim = next(iter(first.values()))
    victim.kill()
    second = eventually(lambda: found if len(found := children(serving)) == 2 and victim.pid not in found else None)
    assert len(set(first) & set(second)) == 1
    assert eventually(lambda: len(serving.lines("ready")) == 3)
    predict(20)
    assert eventually(lambda: predicted(serving) == 60)
    workers = set(
        re.findall(r'mlaas4hep_resident_memory_bytes\{worker="(.)"\}', httpx.get(f"{serving.url}/metrics").text)
    )
    assert workers == {"0", "1"}
    serving.stop()
    assert not any(child.is_running() for child in second.values())


def test_processes_end_with_their_supervisor(start: Start) -> None:
    serving = start({"workers": 2})
    found = children(serving)
    serving.signal(signal.SIGKILL)
    serving.wait()
    gone, alive = psutil.wait_procs(found.values(), timeout=30)
    assert (len(gone), alive) == (2, [])


@pytest.mark.parametrize("workers", [1, 2])
def test_hang_up_opens_the_log_anew(start: Start, workers: int) -> None:
    serving = start({"workers": workers})
    moved = serving.log.with_suffix(".1")
    serving.log.rename(moved)
    serving.signal(signal.SIGHUP)

    def written() -> bool:
        for _ in range(5):
            assert httpx.get(f"{serving.url}/no/such/path").status_code == 404
        return serving.log.exists() and bool(serving.lines("request"))

    assert eventually(written)
    serving.stop()
    assert serving.lines("stopped")
