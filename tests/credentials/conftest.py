"""Nobody's credentials are seen, and an authority can make new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bare_environment import bare_environment
from tests.support.grid import Authority, Person


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that takes the place of the temporary one."""
    return bare_environment(monkeypatch, tmp_path, trust=False)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority of the tests."""
    return Authority(tmp_path_factory.mktemp("grid") / "certificates")


@pytest.fixture(scope="session")
def person(authority: Authority) -> Person:
    """Somebody with a certificate of it."""
    return authority.person()
