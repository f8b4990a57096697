"""The basket reader can be switched off; where uproot has to help, a line says so once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot

from tests.streaming.readers.uproot_reference import assert_same, open_tree
from tests.support.written import make_events, write_ttree

NAMES = ["met", "charge", "cells", "Jet_pt"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ttree(tmp_path_factory.mktemp("switch") / "a.root", make_events(60, seed=1, signal=True))


@pytest.mark.parametrize("setting", ["off", "0", "No"])
def test_switched_off_uproot_reads_the_same(path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    usual = open_tree(path)
    monkeypatch.setenv("MLAAS4HEP_BASKET_READER", setting)
    other = open_tree(path)
    assert set(usual.direct(NAMES)) == set(NAMES)
    assert other.direct(NAMES) == {}
    assert other.branches == usual.branches
    assert other.clusters == usual.clusters
    for name, column in usual.read(NAMES, 7, 53).items():
        assert_same(other.read(NAMES, 7, 53)[name], column)


def test_a_fallback_is_told_once_with_its_reason(tmp_path: Path) -> None:
    """A length in the key of a compressed basket is wrong; uproot does without it."""
    path = tmp_path / "right.root"
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        tree = file.mktree("Events", {"met": "f4"})
        tree.extend({"met": np.repeat([1.5, 2.5, 4.0], 20).astype(np.float32)})
    place = open_tree(path).direct(["met"])["met"].seeks[0]
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    damaged = tmp_path / "damaged.root"
    damaged.write_bytes(content)
    again = Path(shutil.copy(damaged, tmp_path / "again.root"))
    code = (
        "import sys\n"
        "from mlaas4hep.streaming.readers import open_source\n"
        "for path in sys.argv[1:]:\n"
        "    source = open_source(path, 'Events')\n"
        "    print(*source.read(['met'], 0, 60)['met'].tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(damaged), str(again), str(path)], capture_output=True, text=True, check=True
    )
    first, second, right = done.stdout.splitlines()
    assert first == second == right
    (line,) = done.stderr.splitlines()
    assert str(damaged) in line
    assert "the key has wrong sizes" in line
