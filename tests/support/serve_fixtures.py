"""A server on a small repository, and an OpenID provider."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.issuer import AUDIENCE, Issuer
from tests.support.onnx_models import scorer, write
from tests.support.serve_process import ServeProcess

Start = Callable[..., ServeProcess]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the model ``scorer``, which nobody changes."""
    folder = tmp_path_factory.mktemp("models")
    write(scorer(), folder / "scorer" / "1" / "model.onnx")
    return folder


@pytest.fixture
def start(tmp_path: Path, models: Path) -> Iterator[Start]:
    """Start servers; those that still run are killed in the end."""
    started: list[ServeProcess] = []

    def make(settings: dict[str, Any] | None = None, *options: str, repository: Path = models) -> ServeProcess:
        serving = ServeProcess(tmp_path / f"server-{len(started)}", repository, settings, *options)
        started.append(serving)
        return serving

    yield make
    for serving in started:
        if serving.process.poll() is None:
            serving.process.kill()
            serving.wait()


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """A provider that runs during all tests."""
    made = Issuer(tmp_path_factory.mktemp("issuer") / "keys.json")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """A provider that no server trusts."""
    made = Issuer(tmp_path_factory.mktemp("foreign") / "keys.json")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, models: Path, issuer: Issuer) -> Iterator[ServeProcess]:
    """A server that wants tokens of `issuer`."""
    settings = {"security": {"issuers": [issuer.url], "audience": [AUDIENCE]}}
    serving = ServeProcess(tmp_path_factory.mktemp("guarded"), models, settings)
    yield serving
    serving.stop()


@pytest.fixture(autouse=True)
def _quiet_clients() -> None:
    """Thousands of requests are not lines of a test's log."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
