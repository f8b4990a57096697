"""A cache in an empty folder, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlaas4hep.streaming.cache import Cache

LARGE = 100_000_000


@pytest.fixture
def said() -> list[str]:
    """What the cache of the test said."""
    return []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Not there yet."""
    return tmp_path / "cache"


@pytest.fixture
def new_cache(folder: Path, said: list[str]) -> Callable[..., Cache]:
    """Opens the folder, as another run would."""

    def new(limit: int = LARGE, *, mapped: bool | None = None) -> Cache:
        return Cache(folder, limit, said.append, mapped=mapped)

    return new


@pytest.fixture
def cache(new_cache: Callable[..., Cache]) -> Cache:
    """A cache with room for everything."""
    return new_cache()
