"""`throughput`: the figures follow from the files, and mistakes end in one line."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from tests.cli.conftest import Work
from tests.support.cli import run
from tests.support.samples import write_tree

STEPS = ["raw", "specs", "chunks", "cached"]


@pytest.fixture
def files(pythia: Path) -> tuple[Path, Path]:
    return pythia / "ggH_tautau.root", pythia / "ttbar.root"


def test_table(files: tuple[Path, Path]) -> None:
    outcome = run("throughput", *files, "--tree", "Events")
    assert outcome.code == 0, outcome.err
    first, header, *rows = outcome.out.splitlines()
    entries = sum(uproot.open(file)["Events"].num_entries for file in files)
    assert first.startswith(f"{entries:,} events of 2 files, ")
    names = ("kHz", "MB/s of branches", "MB/s of file", "MB/s of columns", "s", "share of time", "peak MB")
    assert header.split() == " ".join(names).split()
    assert [row.split("  ")[0] for row in rows] == ["raw reading", "specs pass", "chunk making", "cached epoch"]
    assert all("%" in row for row in rows)


def test_json_counts_what_was_read(files: tuple[Path, Path]) -> None:
    outcome = run(
        "throughput", files[0], "--branches", "MET_pt,Jet_pt", "--events", "500", "--workers", "2", "--json", "--quiet"
    )
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert (found["files"], found["workers"]) == (1, 2)
    assert list(found["steps"]) == STEPS
    assert sum(step["share_of_time"] for step in found["steps"].values()) == pytest.approx(1)
    with uproot.open(files[0]) as file:
        tree = file["Events"]
        arrays = tree.arrays(["run", "event", "luminosityBlock", "MET_pt", "Jet_pt"], entry_stop=500, how=dict)
        stored = sum(tree[name].compressed_bytes for name in arrays) * 500 / tree.num_entries
    content = sum(np.asarray(ak.flatten(array, axis=None)).nbytes for array in arrays.values())
    longest = int(ak.max(ak.num(arrays["Jet_pt"])))
    assert found["branches"] == 5
    assert found["columns"] == 1 + longest
    for name in STEPS:
        step = found["steps"][name]
        assert step["events"] == 500
        assert step["khz"] * step["seconds"] * 1e3 == pytest.approx(500)
        assert step["peak_memory_mb"] > 50
    raw, chunks, cached = (found["steps"][name] for name in ("raw", "chunks", "cached"))
    assert raw["branches_mb_per_s"] * raw["seconds"] * 1e6 == pytest.approx(content)
    assert raw["file_mb_per_s"] * raw["seconds"] * 1e6 == pytest.approx(stored, abs=1)
    assert chunks["columns_mb_per_s"] * chunks["seconds"] * 1e6 == pytest.approx(500 * 4 * found["columns"])
    assert raw["columns_mb_per_s"] is cached["branches_mb_per_s"] is cached["file_mb_per_s"] is None


def test_every_file_has_its_share(files: tuple[Path, Path]) -> None:
    found = json.loads(run("throughput", *files, "--events", "501", "--json", "--quiet").out)
    assert (found["files"], found["steps"]["raw"]["events"], found["steps"]["chunks"]["events"]) == (2, 501, 501)


def test_time_ends_raw_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here after the first range; the other steps go over the same events."""
    path = tmp_path / "many.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"x": np.float32})
        for _ in range(5):
            tree.extend({"x": np.arange(20_000, dtype=np.float32)})
    monkeypatch.setattr("mlaas4hep.streaming.measure.throughput.RAW_SHARE", 1e12)
    found = json.loads(run("throughput", path, "--workers", "1", "--json", "--quiet").out)
    assert [step["events"] for step in found["steps"].values()] == [20_000] * 4


def test_no_cached_epoch_without_room(files: tuple[Path, Path]) -> None:
    outcome = run("throughput", files[0], "--memory-limit", "100 kB", "--json")
    assert outcome.code == 0, outcome.err
    assert list(json.loads(outcome.out)["steps"]) == STEPS[:3]
    assert "no cached epoch" in outcome.err


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": np.arange(300.0), "y": [[1.0]] * 300}), path)
    outcome = run("throughput", path, "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    raw = json.loads(outcome.out)["steps"]["raw"]
    assert raw["events"] == 300
    assert raw["branches_mb_per_s"] * raw["seconds"] * 1e6 == pytest.approx(300 * 8 * 2)
    assert raw["file_mb_per_s"] is None


def test_mistakes_are_one_line(work: Work) -> None:
    file = work.inputs / "sig.root"
    work.refused("throughput", work.inputs / "none.root", says=["none.root"])
    work.refused("throughput", file, "--tree", "Evnts", says=["Evnts", "Events"])
    work.refused("throughput", file, "--branches", "Jet_ptt", says=["Jet_ptt", "did you mean Jet_pt"])
    work.refused("throughput", file, "--events", "0", says=["events", "positive"])
    work.refused("throughput", file, "--memory-limit", "much", says=["memory_limit"])
    nothing = write_tree(work.inputs / "empty.root", {"x": np.array([], dtype=np.float32)})
    work.refused("throughput", nothing, says=["the files hold no event"])


def test_help_has_examples() -> None:
    outcome = run("throughput", "--help")
    assert outcome.code == 0
    assert outcome.out.count("mlaas4hep throughput ") >= 3
