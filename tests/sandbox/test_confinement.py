from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.sandbox import confinement as sandbox

PROBE = """
import json, os, resource, socket, sys
from mlaas4hep.sandbox.confinement import confine
confine(2**31, files=1000)
port, secret, folder, place = int(sys.argv[1]), *sys.argv[2:5]

def tried(what):
    try:
        what()
        return True
    except OSError:
        return False

print(json.dumps({
    "network": tried(lambda: socket.create_connection(("127.0.0.1", port), 1)),
    "secret": tried(lambda: open(secret).read()),
    "model": tried(lambda: open(folder + "/model").read()),
    "spoil": tried(lambda: open(folder + "/model", "w")),
    "write": tried(lambda: open(place + "/out", "w").write("x")),
    "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
    "size": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
    "environment": dict(os.environ),
    "here": os.getcwd(),
}))
"""


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(params=["bubblewrap", "unshare", "limits"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name = str(request.param)
    if name == "bubblewrap" and sandbox.method() != name:
        pytest.skip("bubblewrap does not work here")
    if name == "unshare" and sandbox._unshare() is None:
        pytest.skip("unshare does not work here")
    monkeypatch.setattr(sandbox, "method", lambda: name)
    return name


def probe(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    folders = [tmp_path / name for name in ("code", "model", "out", "private")]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "mlaas4hep_probe.py").write_text(PROBE)
    (folders[1] / "model").write_text("weights")
    (folders[3] / "secret").write_text("password")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folders[0]), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("BEARER_TOKEN", "secret")
    arguments = [str(port), str(folders[3] / "secret"), str(folders[1]), str(folders[2])]
    line = sandbox.command("mlaas4hep_probe", arguments, readable=[folders[1]], writable=[folders[2]])
    environment = sandbox.environment(3, "/somewhere")
    done = subprocess.run(line, env=environment, cwd="/", capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert (folders[2] / "out").read_text() == "x"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_what_a_closed_in_process_can_do(
    method: str, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = probe(tmp_path, port, monkeypatch)
    assert found["network"] == (method == "limits")
    assert found["secret"] == (method != "bubblewrap")
    assert found["model"]
    assert found["spoil"] == (method != "bubblewrap")
    assert found["write"]
    assert found["memory"] == 2**31
    assert found["size"] == 1000
    assert found["here"] == "/"
    assert found["environment"]["OMP_NUM_THREADS"] == "3"
    assert found["environment"]["TMPDIR"] == "/somewhere"
    assert "BEARER_TOKEN" not in found["environment"]


def test_the_current_folder_is_never_imported_from() -> None:
    line = sandbox.command("x", [])
    assert line[line.index(sys.executable) + 1] == "-P"


def test_it_says_what_it_uses(caplog: pytest.LogCaptureFixture) -> None:
    sandbox.method.cache_clear()
    name = sandbox.method()
    assert name in caplog.text


def test_without_any_tool(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for function in (sandbox.method, sandbox._unshare):
        function.cache_clear()
    try:
        assert sandbox.method() == "limits"
        assert sandbox.command("m", ["a"]) == [sys.executable, "-P", "-m", "m", "a"]
        assert "neither bubblewrap nor unshare works here" in caplog.text
    finally:
        for function in (sandbox.method, sandbox._unshare):
            function.cache_clear()
