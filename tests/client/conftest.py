"""A server with a toy bundle for the clients, and an environment without anybody's credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlaas4hep.inference.settings import Settings
from tests.support.bare_environment import bare_environment
from tests.support.live import Live, live_server
from tests.support.onnx_models import scorer, write
from tests.support.serving import make_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the bundle that is served as ``toy``."""
    return make_bundle(tmp_path_factory.mktemp("clients") / "models" / "toy" / "1")


@pytest.fixture(scope="session")
def live(bundle: Path) -> Iterator[Live]:
    """A server with ``toy`` (the default) and ``scorer``, an ONNX model of somebody else; below a base path."""
    repository = bundle.parents[1]
    write(scorer(), repository / "scorer" / "1" / "model.onnx")
    with live_server(Settings(repository=repository, base_path="/ml", default_model="toy")) as made:
        yield made


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No token and no proxy in the usual places; returns the folder that takes the place of the temporary one."""
    return bare_environment(monkeypatch, tmp_path, trust=False)
