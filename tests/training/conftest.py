"""A small training that several tests look at."""

from __future__ import annotations

import pytest

from tests.support.trained import Independent, Small, binary, independent


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A trained bundle with all that belongs to it."""
    return binary(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def reference() -> Independent:
    """The same events computed independently."""
    return independent()
