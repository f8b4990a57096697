"""Free memory goes back to the system, and where it cannot nothing happens; the peak is that of this process."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlaas4hep.streaming import process_memory


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was found out about the C library is not kept for others."""
    process_memory._trim.cache_clear()
    yield
    process_memory._trim.cache_clear()


def test_the_c_library_is_asked_to_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Library:
        malloc_trim = staticmethod(asked.append)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    process_memory.give_back()
    process_memory.give_back()
    assert asked == [0, 0]


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    process_memory.give_back()


def test_memory_in_use_stays_as_it_is() -> None:
    blocks = [bytearray([number % 256]) * 50_000 for number in range(200)]
    del blocks[::2]
    process_memory.give_back()
    assert all(block == bytearray([2 * place + 1]) * 50_000 for place, block in enumerate(blocks[:100]))


def test_the_peak_counts_what_was_given_back() -> None:
    code = (
        "from mlaas4hep.streaming.process_memory import peak_memory as p\n"
        "before = p(); block = b'1' * 300_000_000; del block; print(before, p())"
    )
    ballast = b"1" * 500_000_000  # of the process that starts it
    before, after = map(
        int, subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split()
    )
    assert before < 200_000_000 < len(ballast)
    assert 300_000_000 <= after < 500_000_000


def test_without_proc_the_peak_is_known_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = process_memory.peak_memory()
    for status in (tmp_path / "none", tmp_path / "empty"):
        monkeypatch.setattr(process_memory, "STATUS", status)
        assert process_memory.peak_memory() >= 0.9 * real
        (tmp_path / "empty").touch()
