"""Files of every format over HTTP are read as those on disk, also where a range is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers import open_source
from tests.streaming.readers.root.test_http import Parts
from tests.support.every_format import FLAT_ONLY, WRITERS
from tests.support.http_files import CONNECTIONS_LEFT, served

pytestmark = CONNECTIONS_LEFT
SIZE = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("served")
    rng = np.random.default_rng(6)
    counts = rng.poisson(2, SIZE)
    flat: dict[str, Any] = {"n": np.arange(SIZE), "x": rng.normal(size=SIZE)}
    lists = {"j": ak.unflatten(rng.normal(size=counts.sum()), counts)}
    for ending, write in WRITERS.items():
        write(place / f"a.{ending}", flat if ending in FLAT_ONLY else {**lists, **flat})
    return place


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with served(Parts, folder) as host:
        yield f"http://{host}"


@pytest.mark.parametrize("ending", WRITERS)
def test_remote_as_local(url: str, folder: Path, ending: str) -> None:
    remote, local = (open_source(f"{place}/a.{ending}", None) for place in (url, folder))
    assert remote.branches == local.branches
    assert (remote.entries, remote.clusters) == (local.entries, local.clusters)
    names = [name for name, branch in local.branches.items() if not branch.hidden]
    for start, stop in ((150, 190), (0, 40), (0, SIZE)):
        ours, theirs = (source.read(names, start, stop) for source in (remote, local))
        for name, column in theirs.items():
            found = ours[name]
            assert isinstance(found, Jagged) == isinstance(column, Jagged)
            assert found.tolist() == column.tolist()
    remote.close()
    local.close()
