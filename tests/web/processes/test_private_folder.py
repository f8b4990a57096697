"""Folders of servers that were killed go, those of live ones and of others stay."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlaas4hep.atomic.owners import work_name
from mlaas4hep.web.processes.private_folder import private_folder

PREFIX = "mlaas4hep-test-"


def test_folders_of_dead_processes_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "from mlaas4hep.atomic.owners import work_name; print(work_name())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    dead, alive = tmp_path / f"{PREFIX}{ended}", tmp_path / f"{PREFIX}{work_name()}"
    elsewhere = tmp_path / f"{PREFIX}{re.sub('-.*?@', '-elsewhere@', ended, count=1)}"
    others = [tmp_path / f"{PREFIX}notes", tmp_path / ended]
    for folder in (dead, alive, elsewhere, *others):
        folder.mkdir()
        (folder / "file").write_text("x")
    link = tmp_path / f"{PREFIX}{ended[:-1]}0f"
    link.symlink_to(others[0])
    kept = {path.name for path in (alive, elsewhere, link, *others)}
    with private_folder(PREFIX) as made:
        assert not dead.exists()
        assert {path.name for path in tmp_path.iterdir()} == {*kept, made.name}
        assert (others[0] / "file").exists()
        assert made.stat().st_mode & 0o777 == 0o700
        (made / "file").write_text("x")
    assert {path.name for path in tmp_path.iterdir()} == kept
