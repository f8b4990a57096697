"""A bundle with cuts, variables and jagged branches, and a server that serves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlaas4hep.inference.settings import Limits, Settings
from tests.support.live import Live, live_server
from tests.support.trained import Small, binary
from tests.support.written import Event, make_events


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The training behind the model ``small``."""
    return binary(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def events() -> list[Event]:
    """Events for predictions, with missing values and empty lists."""
    return make_events(40, seed=11, signal=True)


@pytest.fixture(scope="session")
def served(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the model ``small``; tests leave it as they find it."""
    repository = tmp_path_factory.mktemp("served")
    (repository / "small").mkdir()
    shutil.copytree(small.bundle, repository / "small" / "1")
    limits = Limits(body=2**20, upload=2**24, keys=1000, rows=1000)
    settings = Settings(repository=repository, limits=limits, root_urls=(f"{small.folder}/",))
    with live_server(settings) as live:
        yield live


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Live]:
    """A server on an empty repository."""
    settings = Settings(repository=tmp_path / "models", limits=Limits(upload=2**24))
    with live_server(settings) as live:
        yield live
