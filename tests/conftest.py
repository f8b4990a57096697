"""Fixtures for all tests: where the real data lies."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from mlaas4hep.errors import FrameworkMissingError
from mlaas4hep.streaming.remote.xrootd import load_client
from tests.support.session_authority import trust_it

# The first call of a compiled kernel takes longer than hypothesis allows by default.
settings.register_profile("mlaas4hep", deadline=None)
settings.load_profile("mlaas4hep")

trust_it()

# Loaded after TensorFlow, XRootD's client brings the process down; the product sees to the order by itself.
with suppress(FrameworkMissingError):
    load_client()

pytest_plugins = ["tests.support.serve_fixtures"]

ROOT = Path(__file__).resolve().parents[1]


gc.disable()  # what is collected stays until the end


def pytest_collection_finish() -> None:
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _what_was_there_is_left_alone() -> None:
    """The collector of cycles walks over what a file of tests makes, not over all frameworks and tests again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of the test draw no report, which takes twenty times as long as a small training."""
    monkeypatch.setattr("mlaas4hep.training.workflow.report_of", lambda *_arguments: "")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data from other experiments, not part of the repository."""
    folder = Path(os.environ.get("MLAAS4HEP_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set MLAAS4HEP_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def pythia() -> Path:
    """Folder of the example sample the repository carries: simulated H, Z, W and top-pair events."""
    return ROOT / "examples" / "higgs" / "data"
