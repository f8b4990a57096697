"""The benchmark of streaming: what it measures is right, and its page says what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

pytest.importorskip("vector")

from benchmarks.environments import Absent, unpacked
from benchmarks.streaming import peers, plan, report, weaver_core
from benchmarks.streaming.facts import Sums, check, facts
from benchmarks.streaming.measure import KINDS, Figure, Found
from benchmarks.streaming.ours import session, workflow
from benchmarks.streaming.plan import Sizes
from benchmarks.streaming.results import Results, number
from benchmarks.streaming.run import QUICK, compare, main
from benchmarks.streaming.sample import Sample, halves, make, only
from benchmarks.streaming.targets import targets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make(tmp_path_factory.mktemp("cache"), 1_000, "ZLIB")


def test_sample_is_made_once(sample: Sample) -> None:
    before = sample.signal.stat().st_mtime_ns
    again = make(sample.signal.parents[1], 1_000, "ZLIB")
    assert again == sample
    assert sample.signal.stat().st_mtime_ns == before
    assert (sample.signal.parents[1] / ".gitignore").read_text() == "*\n"
    assert (len(sample.flat), len(sample.jagged), sample.width) == (20, 52, 384)


def test_sample_through_json(sample: Sample) -> None:
    chosen = replace(sample, chosen=("MET_pt", "Jet_pt"))
    assert Sample.from_json(chosen.to_json()) == chosen


def test_fewer_branches_are_the_same_values(sample: Sample) -> None:
    few = only(replace(sample, chosen=("MET_pt", "HT", "Jet_pt", "Lepton_eta")))
    for old, new in zip(sample.paths, few.paths, strict=True):
        with uproot.open(old) as a, uproot.open(new) as b:
            assert set(b["Events"].keys()) == {*few.read, "nJet", "nLepton"}
            for name in few.read:
                assert a["Events"][name].array().tolist() == b["Events"][name].array().tolist()


def test_halves_hold_every_event_once(sample: Sample) -> None:
    for path, parts in zip(sample.paths, halves(sample), strict=True):
        numbers = [uproot.open(part)["Events"]["event"].array(library="np") for part in parts]
        with uproot.open(path) as file:
            np.testing.assert_array_equal(np.concatenate(numbers), file["Events"]["event"].array(library="np"))


def test_contenders_give_the_events_of_the_files(sample: Sample) -> None:
    known = facts(sample, moments=True)
    with uproot.open(sample.signal) as file:
        signal = int((file["Events"]["MET_pt"].array(library="np") > 2).sum())
    assert known.sums.signal == signal < known.sums.rows < 1_000
    assert peers.raw(sample) == 1_000
    pairs = ((x, y) for x, y, _ in peers.awkward_pipeline(sample, known, 1))
    check("awkward", Sums.of(pairs, peers.places(sample), 0.0), known.sums)
    with session(workflow(sample)) as own:
        own.specs()
        places, fill = (own.place("HT"), own.place("Jet_pt")), own.fill("Jet_pt")
        check("ours", Sums.of(((chunk.x, chunk.y) for chunk in own.chunks(0)), places, fill), known.sums)


def test_other_events_end_the_run(sample: Sample) -> None:
    wanted = facts(sample, moments=True).sums
    for wrong in (replace(wanted, rows=wanted.rows - 1), replace(wanted, flat=wanted.flat + 10.0)):
        with pytest.raises(SystemExit, match="someone gives other events"):
            check("someone", wrong, wanted)


def test_quick_run_writes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the reading, here in one process."""

    def measured(kind: str, task: dict[str, Any], prefix: str, _checkout: Path = ROOT) -> Found:
        return {f"{prefix}{name}": figure for name, figure in KINDS[kind](json.loads(json.dumps(task))).items()}

    monkeypatch.setattr(plan, "_measured", measured)
    page = tmp_path / "RESULTS.md"
    main(["--quick", "--only", "small", "large", "--cache", str(tmp_path / "cache"), "--output", str(page)])
    text = page.read_text(encoding="utf-8")
    for events in (QUICK.small, QUICK.large):
        assert f"## {number(events)} events, ZLIB" in text
        assert f"## {number(events)} events, ZSTD" in text
    assert "Written by `python -m benchmarks.streaming.run --quick --only small large`" in text
    for row in ("ours: cached epoch, from disk", "ours: cached epoch, from memory", "awkward: pad_none"):
        assert f"| {row}" in text
    assert "| 2. specs pass, large ZSTD: at least raw reading |" in text
    assert "weaver" not in text.partition("## ")[2]
    assert str(tmp_path) not in text
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == ["samples"]


def test_a_measurement_is_a_process(sample: Sample) -> None:
    task = {"warm": sample.to_json(), "sample": sample.to_json()}
    command = [sys.executable, "-m", "benchmarks.streaming.measure", "raw"]
    done = subprocess.run(command, input=json.dumps(task), cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.removeprefix("result: "))["raw"]
    assert found["events"] == 1_000
    assert found["seconds"] > 0


def results() -> Results:
    """Two rounds with all figures; the second at half the speed, as on a busy machine."""
    found = Results()
    seconds = {"raw": 1.0, "none_specs": 0.8, "none_first": 1.25, "mask_first": 2.0, "disk_first": 2.0, "awkward": 4.0}
    seconds |= {
        "disk_cached": 0.1,
        "memory_first": 0.35,
        "memory_cached": 0.05,
        "weaver.10%": 10.0,
        "weaver.whole": 5.0,
    }
    for round_, slower in ((1, 1.0), (2, 2.0)):
        for size, events, peak in (("small", 1_000, 500), ("large", 10_000, 600)):
            for name, taken in seconds.items():
                figure = Figure(events, taken * slower * events / 1_000, 10**9, peak * 10**6)
                found.add(round_, {f"{size}.ZLIB.{name}": figure})
        found.add(round_, {"small.import": Figure(0, 0.0, 0, 10**8)})
        for name, taken in (("narrow", 1.0), ("wide", 1.25), ("narrow_raw", 1.0), ("wide_raw", 2.0)):
            found.add(round_, {f"few.{name}": Figure(1_000, taken * slower)})
        for name, taken in (("read_specs", 1.0), ("read_first", 1.0), ("direct_keras", 10.0), ("direct_torch", 10.0)):
            found.add(round_, {f"train.{name}": Figure(1_000, taken)})
        for framework, taken, waiting in (("keras", 13.0, 0.05), ("torch", 14.0, None)):
            found.add(round_, {f"train.train_{framework}": Figure(1_000, taken, waiting=waiting)})
    return found


def test_targets() -> None:
    found = {target.text: (target.value, target.reached) for target in targets(results())}
    assert found["1. chunk making, first pass, small ZLIB: at least raw reading"] == ("0.80", False)
    assert found["1. chunk making, first pass: at least 5 times weaver-core's loader at its best"] == ("4.0", False)
    assert found["2. specs pass, large ZLIB: at least raw reading"] == ("1.25", True)
    wanted = "at least 8 times a first pass that keeps"
    assert found[f"3. cached epoch, on disk: {wanted} nothing"] == ("12.5", True)
    assert found[f"3. cached epoch, on disk: {wanted} events on disk"] == ("20.0", True)
    assert found[f"3. cached epoch, in memory: {wanted} events in memory"] == ("7.0", False)
    assert found["3. cached epoch, in memory: at least 1 GB/s of columns"] == ("15.00 GB/s", True)
    assert found["4. peak memory, large sample against small: within 10 %"] == ("+20.0 %", False)
    assert found["4. peak memory: below 1.5 GB"] == ("0.60 GB", True)
    assert found["5. 20 of 1000 branches: at most 1.3 times the time of a file with only these"] == ("1.25", True)
    assert found["6. keras: waits for data less than 10 % of the time after the first epoch"] == ("5.0 %", True)
    whole = "whole `train` at most 1.15 times the framework alone, plus the first read"
    assert found[f"6. keras: {whole}"] == ("13 s of 13.5 s", True)
    assert found[f"6. torch: {whole}"] == ("14 s of 13.5 s", False)
    assert not any(text.startswith("6. torch: waits") for text in found)


def test_another_checkout_is_measured_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def run(who: str, seconds: float) -> Found:
        order.append(who)
        return {"small.none_specs": Figure(1_000, seconds, peak=10)}

    task = plan.Task("small.none", lambda: run("this", 2.0), elsewhere=lambda _: run("other", 1.0))
    found = compare([task, plan.Task("small.raw", dict)], 2, 0.0, ROOT)
    assert order == ["this", "other", "other", "this"]
    assert "before.small.none_specs" in capsys.readouterr().out
    target = targets(found)[-1]
    assert (target.value, target.reached) == ("0.50 (small.none_specs)", False)
    text = report.page(found, Sizes(1_000), report.Run("--short", 2, 0.0, 1.0))
    assert "| small.none_specs | 0.50 (0.50..0.50) | 1.00 |" in text


def test_a_peer_that_cannot_be_had_is_absent(tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"none-1\.0"):
        unpacked(tmp_path, "peer", str(tmp_path / "none-1.0-py3-none-any.whl"))
    with pytest.raises(Absent):
        unpacked(tmp_path, "peer", str(tmp_path / "none-1.0-py3-none-any.whl"))


def test_page() -> None:
    text = report.page(results(), Sizes(1_000, 10_000, 1_000, 15_000, 1_000), report.Run("--rounds 2", 2, 1.5, 90.0))
    assert "The machine had other work" in text
    assert "| `uproot.iterate`, its defaults | 1 | 0.75 (0.5..1) |" in text
    assert "| ours: chunks, first pass from ROOT | 0.80 (0.80..0.80) | 0.6 (0.4..0.8) |" in text
    assert f"| weaver-core {weaver_core.VERSION}, all at once | 0.20 (0.20..0.20) |" in text
    assert "| ours, files with 1000 | 1.88 (1.25..2.50) | 1.25 (1.25..1.25) |" in text
    assert "| everything imported, nothing read | 100 (100..100) |" in text
    assert "| `train`, keras | 1.30 (1.30..1.30) | 13 (13..13) | 5.0 % at most |" in text
    assert text.count("| reached |") == sum(target.reached for target in targets(results()))
