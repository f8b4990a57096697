"""What killed supervisors leave behind."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlaas4hep.inference.operation import supervisor
from mlaas4hep.inference.repository.owners import work_name


def test_folders_of_dead_supervisors_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "from mlaas4hep.inference.repository.owners import work_name; print(work_name())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    prefix = supervisor.PREFIX
    dead, alive = tmp_path / f"{prefix}{ended}", tmp_path / f"{prefix}{work_name()}"
    elsewhere = tmp_path / f"{prefix}{re.sub('-.*?@', '-elsewhere@', ended, count=1)}"
    others = [tmp_path / f"{prefix}notes", tmp_path / ended]
    for folder in (dead, alive, elsewhere, *others):
        folder.mkdir()
        (folder / "file").write_text("x")
    link = tmp_path / f"{prefix}{ended[:-1]}0f"
    link.symlink_to(others[0])
    made = supervisor._own_folder()
    assert not dead.exists()
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (alive, elsewhere, link, made, *others)}
    assert (others[0] / "file").exists()
    assert made.stat().st_mode & 0o777 == 0o700
