"""Free memory goes back to the system, and where it cannot nothing happens."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from mlaas4hep.streaming import heap


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was found out about the C library is not kept for others."""
    heap._trim.cache_clear()
    yield
    heap._trim.cache_clear()


def test_the_c_library_is_asked_to_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Library:
        malloc_trim = staticmethod(asked.append)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    heap.give_back()
    heap.give_back()
    assert asked == [0, 0]


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    heap.give_back()


def test_memory_in_use_stays_as_it_is() -> None:
    blocks = [bytearray([number % 256]) * 50_000 for number in range(200)]
    del blocks[::2]
    heap.give_back()
    assert all(block == bytearray([2 * place + 1]) * 50_000 for place, block in enumerate(blocks[:100]))
