"""``mlaas4hep serve``: options, help, errors in one line, and predictions by curl's kind of call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.support.cli import run
from tests.support.onnx_models import reference, scorer, write
from tests.support.serve_process import ServeProcess


def test_help_shows_all_options_and_examples() -> None:
    out = run("serve", "--help").out
    for option in ("--repository", "--host", "--port", "--grpc-port", "--workers", "--config", "--insecure"):
        assert option in out
    assert "Examples" in out


def test_help_of_everything_stays_light() -> None:
    code = (
        "import sys; import mlaas4hep.cli.main; print([m for m in ('uvicorn', 'grpc', 'uvloop') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_serves_from_options(tmp_path: Path) -> None:
    write(scorer(), tmp_path / "models" / "scorer" / "1" / "model.onnx")
    serving = ServeProcess(
        tmp_path / "server", tmp_path / "models", {"port": 1, "base_path": "/x"}, "--port", "0", "--base-path", "/ml"
    )
    assert serving.url.endswith("/ml")
    row = [0.5, -1.0, 2.0]
    body = json.dumps({"keys": ["a", "b", "c"], "values": row, "model": "scorer"}).encode()
    with urllib.request.urlopen(f"{serving.url}/json", body, 30) as response:
        scores = json.load(response)
    expected = reference(scorer(), {"features": np.array([row], np.float32)})["scores"][0]
    assert scores == pytest.approx(expected.tolist(), abs=1e-6)
    serving.stop()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "0.0.0.0"), "error: 0.0.0.0: only loopback addresses are served without authentication"),
        (("--tls-key", "key.pem"), "error: --tls-key: needs both `certificate` and `key`"),
        (("--base-path", "/a b"), "error: --base-path: should be a path such as '/ml', is '/a b'"),
        (("--config", "none.yaml"), "error: none.yaml: no such file"),
        (("--tls-key", "k", "--tls-certificate", "c"), "error: c: no such file"),
        (("--port", "70000"), "error: Invalid value for '--port'"),
    ],
)
def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "MLAAS4HEP_SERVE_PORT": "0", "MLAAS4HEP_SERVE_GRPC_PORT": "0"}
    command = [sys.executable, "-m", "mlaas4hep.cli.main", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_an_unknown_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLAAS4HEP_SERVE_PROT", "1")
    outcome = run("serve")
    assert outcome.code == 2
    assert outcome.error == (
        "error: MLAAS4HEP_SERVE_PROT: unknown variable of the environment; did you mean 'MLAAS4HEP_SERVE_PORT'?"
    )


def test_a_log_file_destroys_nothing(tmp_path: Path) -> None:
    """Neither what the server reads, nor a file that holds no lines."""
    (tmp_path / "models").mkdir()
    (tmp_path / "server.yaml").write_text("host: 127.0.0.1\n")
    (tmp_path / "events.root").write_bytes(b"root\0\0\xf6\x00" * 8)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for name, says in (
        ("server.yaml", "--log-file would destroy"),
        ("models", "there is a folder of this name"),
        ("events.root", "it exists and is not a log file of this package; choose another name"),
    ):
        result = run(
            "serve",
            *("--repository", tmp_path / "models", "--config", tmp_path / "server.yaml"),
            *("--log-file", tmp_path / name),
        )
        assert result.code == 2
        assert says in result.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
