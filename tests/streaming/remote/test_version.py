"""Another file of the same name and size on a server is never taken for the one that is in the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.streaming.dataset.keys import UnknownVersionError
from mlaas4hep.streaming.remote.version import version_of
from tests.support.cli import run
from tests.support.http_files import CONNECTIONS_LEFT, Quiet, served
from tests.support.scan_keys import key

pytestmark = CONNECTIONS_LEFT


class Tagged(Quiet):
    """A server that gives entity tags and no times."""

    def send_header(self, keyword: str, value: str) -> None:
        """Replace the time by a tag of the content."""
        if keyword == "Last-Modified":
            keyword, value = "ETag", f'"{hash(Path(self.translate_path(self.path)).read_bytes())}"'
        super().send_header(keyword, value)


class Silent(Quiet):
    """A server that tells nothing of versions."""

    def send_header(self, keyword: str, value: str) -> None:
        """Leave the time out."""
        if keyword != "Last-Modified":
            super().send_header(keyword, value)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A server of the test's folder."""
    with served(request.param, tmp_path) as host:
        yield f"http://{host}"


def write(path: Path, x: float, changed: int) -> None:
    """Files of the same size, differing only beyond what their digests look at."""
    filler = [f"{i % 10}.25,{i % 2}" for i in range(200_000)]
    middle = f"{x},1"
    path.write_text("\n".join(["x,y", *filler, middle, *filler, ""]))
    os.utime(path, (changed, changed))


@pytest.mark.parametrize("url", [Quiet, Tagged], indirect=True)
def test_a_file_replaced_by_one_of_the_same_size_has_another_key(url: str, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 1.5, 1_700_000_000)
    first = key(f"{url}/a.csv")
    assert key(f"{url}/a.csv") == first
    write(tmp_path / "a.csv", 2.5, 1_700_000_100)
    assert key(f"{url}/a.csv") != first


@pytest.mark.parametrize("url", [Silent], indirect=True)
def test_without_a_version_there_is_no_key(url: str, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 1.5, 1_700_000_000)
    with pytest.raises(UnknownVersionError, match=r"a\.csv"):
        key(f"{url}/a.csv")


@pytest.mark.parametrize("url", [Quiet], indirect=True)
def test_a_file_of_this_second_has_no_version_yet(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    future = 4_000_000_000
    os.utime(tmp_path / "a.csv", (future, future))
    assert version_of(f"{url}/a.csv") is None


@pytest.mark.parametrize("url", [Silent], indirect=True)
def test_a_training_on_files_without_version_keeps_nothing_and_says_so(url: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for name, mean in (("a", 0.0), ("b", 1.0)):
        rows = "\n".join(f"{x:.6f}" for x in rng.normal(mean, 1, 600))
        (tmp_path / f"{name}.csv").write_text(f"x\n{rows}\n")
    (tmp_path / "model.py").write_text(
        "from sklearn.linear_model import LogisticRegression\ndef model():\n    return LogisticRegression()\n"
    )
    (tmp_path / "w.yaml").write_text(
        f"samples:\n  - {{name: a, files: '{url}/a.csv', label: 0}}\n  - {{name: b, files: '{url}/b.csv', label: 1}}\n"
        "training: {model: model.py}\n"
    )
    done = run("train", tmp_path / "w.yaml", "--fout", tmp_path / "bundle", "--cache", tmp_path / "cache")
    assert done.code == 0, done.err
    assert sum("cache" in warning and "version" in warning for warning in done.warnings) == 1
    assert not list((tmp_path / "cache").glob("*.blocks")) + list((tmp_path / "cache").glob("*.document"))
