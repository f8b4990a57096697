"""Expired credentials are refused before a server is asked, by schemes that would show them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.bare_environment import bare_environment
from tests.support.cli import run
from tests.support.grid import unsigned_token


@pytest.mark.parametrize("command", ["inspect", "specs"])
def test_an_expired_token_ends_the_command(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("XRootD")
    folder = bare_environment(monkeypatch, tmp_path)
    file = folder / f"bt_u{os.getuid()}"
    file.write_text(unsigned_token(exp=time.time() - 7200))
    done = run(command, "roots://no-such-host.invalid//store/a.root")
    assert done.code == 2
    assert done.error.startswith(f"error: {file}: the bearer token expired 2 h")
    assert "renew it with oidc-token" in done.error
    file.write_text(unsigned_token(exp=time.time() + 7200))
    assert "the host is unknown" in run(command, "roots://no-such-host.invalid//store/a.root").error


def test_kerberos_may_be_what_the_server_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at CERN, where everybody has tickets, and many a proxy of last week."""
    pytest.importorskip("XRootD")
    folder = bare_environment(monkeypatch, tmp_path)
    monkeypatch.setenv("BEARER_TOKEN", unsigned_token(exp=time.time() - 7200))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{folder}/tickets")
    url = "root://no-such-host.invalid//store/a.root"
    assert "the bearer token expired" in run("inspect", url).error
    (folder / "tickets").touch()
    assert "the host is unknown" in run("inspect", url).error
