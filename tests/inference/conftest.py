"""Fixtures for the tests of the inference server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.oip_models import plane_with_models
from tests.support.running import Running, running


@pytest.fixture(scope="session")
def oip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The Open Inference Protocol over HTTP and gRPC, with the models of `oip_models`."""
    with running(lambda: plane_with_models(tmp_path_factory.mktemp("oip"))) as where:
        yield where
