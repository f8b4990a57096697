"""Ctrl-C and kill -9 in real processes, at many steps of the cache's code: nothing is left, nothing is wrong.

``python -m tests.streaming.cache.interrupted FOLDER 2 line 1 1 0`` goes through all lines, in some minutes.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def hits(folder: Path, number: int, unit: str, first: int, stride: int, again: int) -> int:
    """Processes that were hit; see interrupted.py."""
    arguments = [folder, number, unit, first, stride, again]
    command = [sys.executable, "-m", "tests.streaming.cache.interrupted", *map(str, arguments)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return int(found.stdout)


@pytest.mark.parametrize(("unit", "first", "stride"), [("line", 1, 43), ("opcode", 5, 211)])
def test_ctrl_c_leaves_nothing(folder: Path, unit: str, first: int, stride: int) -> None:
    assert hits(folder, signal.SIGINT, unit, first, stride, 0) > 20


@pytest.mark.parametrize("again", [1, 4])
def test_a_second_ctrl_c_while_cleaning_leaves_nothing(folder: Path, again: int) -> None:
    assert hits(folder, signal.SIGINT, "line", 3 + again, 83, again) > 10


@pytest.mark.parametrize(("first", "stride"), [(1, 29)])
def test_the_next_run_cleans_after_a_kill(folder: Path, first: int, stride: int) -> None:
    assert hits(folder, signal.SIGKILL, "line", first, stride, 0) > 40
