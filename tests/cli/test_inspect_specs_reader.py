"""`inspect`, `specs` and the original's `reader`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from tests.support.cli import run


@pytest.fixture
def file(pythia: Path) -> Path:
    return pythia / "ggH_tautau.root"


def lines_of(text: str) -> dict[str, list[str]]:
    """The words of each line by its first word."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.split()}


def test_inspect(file: Path) -> None:
    outcome = run("inspect", file)
    assert (outcome.code, outcome.err) == (0, "")
    lines = lines_of(outcome.out)
    assert lines["Events"][:3] == ["(TTree):", "8,000", "entries"]
    assert lines["MET_pt"] == ["flat", "float32"]
    assert lines["Jet_pt"] == ["jagged", "float32"]
    assert lines["event"] == ["flat", "uint64"]


def test_inspect_as_json(file: Path) -> None:
    outcome = run("inspect", file, "--tree", "Events", "--json")
    found = json.loads(outcome.out)
    assert found["size"] == file.stat().st_size
    (tree,) = found["trees"]
    with uproot.open(file) as opened:
        assert tree["entries"] == opened["Events"].num_entries
        assert [branch["name"] for branch in tree["branches"]] == opened["Events"].keys()
    kinds = {branch["name"]: branch["kind"] for branch in tree["branches"]}
    assert (kinds["MET_pt"], kinds["Jet_pt"]) == ("flat", "jagged")


def test_inspect_says_why_a_branch_is_no_feature(tmp_path: Path) -> None:
    path = tmp_path / "objects.root"
    with uproot.recreate(path) as file:
        file["tree"] = ak.Array({"x": [1.0, 2.0], "name": ["a", "b"], "nested": [[[1.0], []], []]})
    lines = lines_of(run("inspect", path).out)
    assert lines["x"] == ["flat", "float64"]
    assert lines["name"][0] == "unsupported"
    assert "text cannot be a feature" in " ".join(lines["name"])
    assert lines["nested"][0] == "unsupported"


def test_specs(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "specs.json"
    outcome = run("specs", file, "--tree", "Events", "--branches", "MET_*,Jet_pt", "-o", output)
    assert outcome.code == 0
    assert f"{file}: 8000 events" in outcome.out
    assert f"written: {output}" in outcome.out
    lines = lines_of(outcome.out)
    with uproot.open(file) as opened:
        arrays = opened["Events"].arrays(["MET_pt", "Jet_pt"])
    stored = ak.to_numpy(arrays["MET_pt"])
    met = stored.astype(np.float64)
    longest = int(ak.max(ak.num(arrays["Jet_pt"])))
    assert lines["MET_pt"] == [
        *("flat", "1", str(stored.min()), str(stored.max()), f"{met.mean():.6g}", f"{met.std():.6g}", "0")
    ]
    assert lines["Jet_pt"][:2] == ["jagged", str(longest)]
    found = json.loads(output.read_text())
    assert found["jdim"] == {"Jet_pt": longest}
    assert found["fkeys"] == ["MET_pt", "MET_phi"]
    assert found["events"] == {str(file): 8000, "total": 8000}
    assert found["minv"]["MET_pt"] == met.min()
    assert json.loads(run("specs", file, "--branches", "MET_*,Jet_pt", "--json", "--quiet").out) == found


def test_specs_of_some_events_of_several_files(file: Path, pythia: Path) -> None:
    other = pythia / "ttbar.root"
    outcome = run(
        "specs", file, other, "--events", "700", "--selection", "MET_pt > 30", "--branches", "MET_pt", "--json",
        "--quiet", "--workers", "2",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    values = []
    passing = {}
    for path in (file, other):
        with uproot.open(path) as opened:
            met = opened["Events/MET_pt"].array(library="np")
        passing[path] = met[met > 30]
    total = sum(map(len, passing.values()))
    for path, met in passing.items():
        used = found["events"][str(path)]
        assert abs(used - 700 * len(met) / total) < 1
        values.append(met[:used])
    assert found["events"]["total"] == 700
    together = np.concatenate(values)
    assert (found["minv"]["MET_pt"], found["maxv"]["MET_pt"]) == (together.min(), together.max())


def test_specs_with_a_value_that_means_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    x = np.array([1.0, -999.0, 3.0, -999.0, 2.0])
    with uproot.recreate(path) as opened:
        opened.mktree("Events", {"x": x.dtype}).extend({"x": x})
    found = json.loads(run("specs", path, "--missing", "-999", "--json").out)
    assert found["branches"]["x"]["missing"] == 2
    assert (found["minv"]["x"], found["maxv"]["x"]) == (1.0, 3.0)


def test_reader(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original's options; a specs.json made so is accepted by the training."""
    monkeypatch.chdir(tmp_path)
    Path("wanted.txt").write_text("MET_pt\nJet_pt\nrun\n")
    outcome = run(
        *("reader", f"--fin={file}", "--branch=Events", "--branches=wanted.txt", "--chunk-size=100"),
        *("--nevts=500", "--fout=specs.json", "--verbose=1"),
    )
    assert outcome.code == 0
    assert f"{file}: 500 events" in outcome.out
    lines = lines_of(outcome.out)
    assert (lines["MET_pt"][0], lines["Jet_pt"][0]) == ("flat", "jagged")
    assert "run" not in lines
    found = json.loads(Path("specs.json").read_text())
    assert found["events"]["total"] == 500
    assert (found["fkeys"], found["jkeys"]) == (["MET_pt"], ["Jet_pt"])


def test_reader_info(file: Path, pythia: Path, tmp_path: Path) -> None:
    listed = tmp_path / "files.txt"
    listed.write_text(f"{file}\n{pythia / 'ttbar.root'}\n")
    outcome = run("reader", "--fin", listed, "--info", "--branch", "Events")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("(TTree): ") == 2
    content = run("inspect", file, "--tree", "Events").out + run("inspect", pythia / "ttbar.root").out
    assert outcome.out == content + run("reader", "--fin", listed, "--branch", "Events").out
    assert run("reader", "--fin", listed, "--info", "--verbose", 0).out == content


def test_reader_info_tells_ranges_and_dimensions(file: Path, tmp_path: Path) -> None:
    fout = tmp_path / "specs.json"
    outcome = run("reader", "--fin", file, "--info", "--branches", "MET_pt,Jet_pt", "--fout", fout, "--nan", "nan")
    assert (outcome.code, outcome.err) == (0, "")
    with uproot.open(file) as opened:
        met, jets = (opened["Events"][name].array() for name in ("MET_pt", "Jet_pt"))
    found = json.loads(fout.read_text())
    assert found["minv"] == {"MET_pt": ak.min(met), "Jet_pt": ak.min(jets)}
    assert found["jdim"]["Jet_pt"] == ak.max(ak.num(jets))
    table = outcome.out.splitlines()[-4:-1]
    assert {line.split()[0] for line in table} >= {"MET_pt", "Jet_pt"}
    assert any(str(ak.max(ak.num(jets))) in line.split() for line in table)


def test_reader_applies_a_preproc(file: Path, tmp_path: Path) -> None:
    preproc = tmp_path / "preproc.json"
    entry = {"def": "MET_pt**2", "type": "flat", "cut": "MET_pt_2>400", "remove": "False"}
    preproc.write_text(json.dumps({"new_branch": {"MET_pt_2": entry}}))
    fout = tmp_path / "specs.json"
    outcome = run(
        *("reader", "--fin", file, "--branches", "MET_pt", "--preproc", preproc, "--fout", fout),
        *("--nan", 0, "--chunk_size=100", "--exclude_branches=Jet_pt"),
    )
    assert outcome.code == 0
    assert outcome.warnings == ["--nan: padding is always NaN here, and is not counted in the ranges; 0 is not used"]
    with uproot.open(file) as opened:
        met = opened["Events"]["MET_pt"].array(library="np").astype(np.float64)
    passed = met[met**2 > 400]
    found = json.loads(fout.read_text())
    assert found["events"]["total"] == len(passed)
    assert found["minv"]["MET_pt_2"] == pytest.approx(passed.min() ** 2)
    assert found["maxv"]["MET_pt_2"] == pytest.approx(passed.max() ** 2)
    assert found["minv"]["MET_pt"] == pytest.approx(passed.min())


def panel(values: np.ndarray, found: dict[str, Any]) -> None:
    """Counts and edges are numpy's for these values."""
    counts, edges = np.histogram(values, 50, (values.min(), values.max()))
    assert found["edges"] == pytest.approx(edges, rel=1e-12)
    assert found["classes"]["all"] == {"counts": counts.tolist(), "below": 0, "above": 0, "missing": 0}


def values_of(paths: list[Path], name: str, events: dict[str, int]) -> np.ndarray:
    """All values of a branch, of the first events of each file."""
    found = []
    for path in paths:
        with uproot.open(path) as opened:
            array = opened["Events"][name].array()[: events[str(path)]]
        found.append(ak.to_numpy(ak.flatten(array, axis=None)).astype(np.float32).astype(np.float64))
    return np.concatenate(found)


@pytest.mark.parametrize("events", [-1, 700])
def test_reader_writes_histograms(file: Path, pythia: Path, tmp_path: Path, events: int) -> None:
    """Of all files, flat and jagged, as numpy counts them."""
    paths = [file, pythia / "ttbar.root"]
    fout = tmp_path / "out" / "specs.json"
    outcome = run(
        *("reader", "--fin", ",".join(map(str, paths)), "--hists", "--fout", fout, "--nevts", events),
        *("--branches", "MET_pt,Jet_pt,nJet"),
    )
    assert outcome.code == 0, outcome.err
    folder = fout.parent / "hists"
    assert outcome.out.endswith(f"written: {fout}\nwritten: {folder}\n")
    assert {path.name for path in folder.iterdir()} == {"MET_pt.png", "Jet_pt.png", "nJet.png", "histograms.json"}
    used = json.loads(fout.read_text())["events"]
    assert used["total"] == (events if events > 0 else sum(used[str(path)] for path in paths))
    found = json.loads((folder / "histograms.json").read_text())["branches"]
    assert {name: branch["kind"] for name, branch in found.items()} == {
        "MET_pt": "flat",
        "Jet_pt": "jagged",
        "nJet": "flat",
    }
    for name, branch in found.items():
        panel(values_of(paths, name, used), branch["before"])
        picture = (folder / branch["file"]).read_bytes()
        assert picture.startswith(b"\x89PNG")


def test_reader_writes_histograms_where_it_is_called(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("reader", "--fin", file, "--info", "--hists", "--branches", "MET_pt", "--verbose", "0")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == run("inspect", file, "--tree", "Events").out
    assert sorted(path.name for path in Path("hists").iterdir()) == ["MET_pt.png", "histograms.json"]


def test_reader_says_where_histograms_cannot_be(file: Path, tmp_path: Path) -> None:
    (tmp_path / "hists").write_text("")
    outcome = run("reader", "--fin", file, "--hists", "--fout", tmp_path / "specs.json")
    assert outcome.code == 2
    assert str(tmp_path / "hists") in outcome.error
    assert not (tmp_path / "specs.json").exists()
