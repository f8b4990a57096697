"""Work in progress of live processes stays, that of dead ones goes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlaas4hep.atomic.owners import PREFIX, clean, is_work, work_name


def test_names_are_hidden_and_never_the_same() -> None:
    names = {work_name() for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(".") and is_work(name) for name in names)


def test_own_work_stays(tmp_path: Path) -> None:
    (tmp_path / work_name()).mkdir()
    assert clean(tmp_path) == []


def test_work_of_a_process_that_ended_goes_and_nothing_else(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from mlaas4hep.atomic.owners import work_name
folder = Path({str(tmp_path)!r})
place = folder / work_name()
place.mkdir()
(place / "half").write_text("x")
(folder / work_name()).write_text("a file")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    for other in (".git", "model", f"{PREFIX}something"):
        (tmp_path / other).mkdir()
    assert len(clean(tmp_path)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", f"{PREFIX}something", "model"]


def test_a_process_with_the_same_number_is_another_one(tmp_path: Path) -> None:
    host, pid, start, part = work_name().split("@")
    (tmp_path / f"{host}@{pid}@{int(start) + 1}@{part}").mkdir()
    assert len(clean(tmp_path)) == 1


@pytest.mark.parametrize(("age", "removed"), [(3600, 0), (25 * 3600, 1)])
def test_work_of_other_hosts_goes_after_a_day(tmp_path: Path, age: int, removed: int) -> None:
    place = tmp_path / f"{PREFIX}elsewhere@1@1@abc"
    place.mkdir()
    then = time.time() - age
    os.utime(place, (then, then))
    assert len(clean(tmp_path)) == removed


def test_no_folder_is_no_error(tmp_path: Path) -> None:
    assert clean(tmp_path / "none") == []
