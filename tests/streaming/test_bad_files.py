"""Files that a run goes without: the others are used in full, the report is exact, and nothing happens in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.config import Reading, Sample
from mlaas4hep.errors import FileError, FileReadError
from mlaas4hep.errors.reading import CorruptFileError
from mlaas4hep.streaming.bad_files import BadFiles
from tests.support.cli import Outcome, run
from tests.support.samples import write_tree

FILES, EVENTS = 20, 60
SKIP = ("--on-bad-file", "skip")
MODEL = (
    "from sklearn.linear_model import SGDClassifier\n"
    "def model():\n    return SGDClassifier(loss='log_loss', learning_rate='constant', eta0=0.01)\n"
)


def columns(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    return {name: rng.normal(number % 2, 1, EVENTS) for name in ("x", "y")}


def truncated(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def damaged(path: Path) -> None:
    """The header and the list of trees are whole, the numbers of a branch are not."""
    with uproot.open(path) as file:
        branch = file["Events"]["y"]
        at = int(branch.member("fBasketSeek")[0])
        size = int(branch.member("fBasketBytes")[0])
    data = bytearray(path.read_bytes())
    data[at : at + size] = bytes(size)
    path.write_bytes(bytes(data))


def without_tree(path: Path) -> None:
    path.unlink()
    write_tree(path, columns(0), "Other")


def without_branch(path: Path) -> None:
    path.unlink()
    write_tree(path, {"x": columns(0)["x"]})


FAULTS: dict[str, tuple[Callable[[Path], None], str, int | None]] = {
    "truncated": (truncated, "corrupt", None),
    "missing": (Path.unlink, "not found", None),
    "damaged": (damaged, "corrupt", EVENTS),
    "without tree": (without_tree, "no such tree", None),
    "without branch": (without_branch, "no such branch", EVENTS),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for number in range(FILES):
        write_tree(folder / f"f{number:02}.root", columns(number))
    (folder / "model.py").write_text(MODEL)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path / "data")
    return tmp_path / "data"


def workflow(folder: Path, numbers: list[int], **reading: Any) -> Path:
    samples = [
        {"name": name, "files": [f"f{n:02}.root" for n in numbers if n % 2 == label], "label": name}
        for label, name in enumerate(("even", "odd"))
    ]
    settings = {"samples": samples, "training": {"model": "model.py"}, "reading": reading}
    path = folder / "w.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def lost(folder: Path, name: str, number: int = 6) -> dict[str, Any]:
    """What the report has to say of one file."""
    _, kind, events = FAULTS[name]
    return {"file": str(folder / f"f{number:02}.root"), "class": kind, "attempts": 1, "events_lost": events}


def check_report(report: Path, expected: list[dict[str, Any]]) -> None:
    found = json.loads(report.read_text())
    assert found["files"] == FILES
    assert all(entry.pop("reason") for entry in found["bad_files"])
    assert found["bad_files"] == expected


def specs_of(folder: Path, numbers: list[int]) -> dict[str, Any]:
    done = run("specs", *(folder / f"f{n:02}.root" for n in numbers), "--json")
    assert done.code == 0
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.mark.parametrize("name", FAULTS)
def test_specs_of_the_others_are_exact(folder: Path, tmp_path: Path, name: str) -> None:
    FAULTS[name][0](folder / "f06.root")
    files = [folder / f"f{n:02}.root" for n in range(FILES)]
    refused = run("specs", *files, "--json")
    assert refused.code == 2
    out = tmp_path / "specs.json"
    done = run("specs", *files, "-o", out, *SKIP, "--json")
    assert done.code == 3
    assert "f06.root" in done.err
    assert json.loads(done.out) == specs_of(folder, [n for n in range(FILES) if n != 6])
    check_report(tmp_path / "bad_files.json", [lost(folder, name)])
    again = run("specs", *files, "-o", out, *SKIP, "--allow-skipped", "--json")
    assert (again.code, again.out) == (0, done.out)


@pytest.mark.parametrize("name", ["missing", "damaged", "without branch"])
def test_a_training_on_the_others_is_that_without_the_file(folder: Path, tmp_path: Path, name: str) -> None:
    others = [n for n in range(FILES) if n != 6]
    expected = run("train", workflow(folder, others), "--fout", tmp_path / "expected", "--json", "-q")
    assert expected.code == 0, expected.err
    FAULTS[name][0](folder / "f06.root")
    everything = workflow(folder, list(range(FILES)), on_bad_file="skip", max_bad="5 %")
    (tmp_path / "out").mkdir()
    done = run("train", everything, "--fout", tmp_path / "out" / "b", "--json", "-q")
    assert done.code == 3, done.err
    assert json.loads(done.out)["metrics"] == json.loads(expected.out)["metrics"]
    check_report(tmp_path / "out" / "bad_files.json", [lost(folder, name)])
    check_report(tmp_path / "out" / "b" / "bad_files.json", [lost(folder, name)])
    assert any("1 of 20 files are left out" in warning for warning in done.warnings)


def test_a_file_that_turns_bad_after_the_first_pass_ends_the_run(folder: Path, tmp_path: Path) -> None:
    cut = f"    os.truncate({str(folder / 'f06.root')!r}, 600)\n"
    (folder / "model.py").write_text("import os\n" + MODEL.replace("    return", f"{cut}    return"))
    done = run("train", workflow(folder, list(range(FILES)), on_bad_file="skip"), "--fout", tmp_path / "b", "-q")
    refused(done, "f06.root")
    assert "it turned bad after the first pass, which decides what is left out: start again" in done.error
    assert not (tmp_path / "b").exists()


@pytest.fixture(scope="module")
def bundle(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "b"
    done = run("train", workflow(good, list(range(6))), "--fout", path, "-q")
    assert done.code == 0, done.err
    return path


@pytest.mark.parametrize("name", FAULTS)
def test_predictions_of_the_others_are_all_there(folder: Path, bundle: Path, tmp_path: Path, name: str) -> None:
    files = [folder / f"f{n:02}.root" for n in range(FILES)]
    assert run("predict", bundle, *files, "-o", tmp_path / "all.parquet", "-q").code == 0
    FAULTS[name][0](folder / "f06.root")
    assert run("predict", bundle, *files, "-o", tmp_path / "s.parquet", "-q").code == 2
    assert not (tmp_path / "s.parquet").exists()
    done = run("predict", bundle, *files, "-o", tmp_path / "s.parquet", *SKIP, "-q")
    assert done.code == 3, done.err
    whole = pq.read_table(tmp_path / "all.parquet")
    kept = np.asarray(whole["file"]) != 6
    assert pq.read_table(tmp_path / "s.parquet").equals(whole.filter(kept))
    check_report(tmp_path / "bad_files.json", [lost(folder, name)])


@pytest.mark.parametrize("name", ["truncated", "damaged"])
def test_an_evaluation_of_the_others(folder: Path, bundle: Path, tmp_path: Path, name: str) -> None:
    others = workflow(folder, [n for n in range(FILES) if n != 6])
    expected = run("evaluate", bundle, "--workflow", others, "--json")
    assert expected.code == 0, expected.err
    FAULTS[name][0](folder / "f06.root")
    everything = workflow(folder, list(range(FILES)))
    page = tmp_path / "report.html"
    done = run("evaluate", bundle, "--workflow", everything, "--report", page, *SKIP, "--json")
    assert done.code == 3, done.err
    assert json.loads(done.out) == json.loads(expected.out)
    check_report(tmp_path / "bad_files.json", [lost(folder, name)])


@pytest.mark.parametrize("name", ["without tree", "damaged"])
def test_throughput_of_the_others(folder: Path, name: str) -> None:
    FAULTS[name][0](folder / "f06.root")
    done = run("throughput", *sorted(folder.glob("f*.root")), folder / "f06.root", "--json", *SKIP, "--max-bad", 2)
    assert done.code == 3, done.err
    found = json.loads(done.out)
    assert (found["files"], found["steps"]["raw"]["events"]) == (FILES - 1, EVENTS * (FILES - 1))


def refused(outcome: Outcome, words: str) -> None:
    assert outcome.code == 2
    assert words in outcome.error


def test_more_than_allowed_is_an_error_with_the_report(folder: Path, tmp_path: Path) -> None:
    for number in (3, 8):
        truncated(folder / f"f{number:02}.root")
    files = [folder / f"f{n:02}.root" for n in range(FILES)]
    done = run("specs", *files, "-o", tmp_path / "s.json", *SKIP)
    refused(done, "2 of 20 files are bad, more than max_bad allows (1)")
    check_report(tmp_path / "bad_files.json", [lost(folder, "truncated", n) for n in (3, 8)])
    assert run("specs", *files, *SKIP, "--max-bad", 2, "-q").code == 3
    assert run("specs", *files, *SKIP, "--max-bad", "10 %", "-q").code == 3


@pytest.mark.parametrize("name", ["truncated", "missing", "without tree"])
def test_all_bad_is_an_error_whatever_is_allowed(folder: Path, tmp_path: Path, name: str) -> None:
    files = sorted(folder.glob("f*.root"))
    for path in files:
        FAULTS[name][0](path)
    done = run("specs", *files, "-o", tmp_path / "s.json", *SKIP, "--max-bad", "100 %", "--allow-skipped")
    refused(done, "none of the 20 files can be used")


def test_a_class_that_loses_all_its_files_is_an_error(folder: Path, tmp_path: Path) -> None:
    for number in range(0, FILES, 2):
        truncated(folder / f"f{number:02}.root")
    path = workflow(folder, list(range(FILES)), on_bad_file="skip", max_bad="90 %")
    refused(run("train", path, "--fout", tmp_path / "b"), "all files with the label even are bad")


def test_several_damaged_files_are_found_in_one_pass(folder: Path, tmp_path: Path) -> None:
    for number in (2, 9, 15):
        damaged(folder / f"f{number:02}.root")
    files = [folder / f"f{n:02}.root" for n in range(FILES)]
    done = run("specs", *files, "-o", tmp_path / "s.json", *SKIP, "--max-bad", 3, "--json")
    assert json.loads(done.out) == specs_of(folder, [n for n in range(FILES) if n not in {2, 9, 15}])
    found = json.loads((tmp_path / "bad_files.json").read_text())["bad_files"]
    assert sorted(entry["file"][-8:] for entry in found) == ["f02.root", "f09.root", "f15.root"]


def test_without_bad_files_the_report_is_empty_and_the_code_zero(folder: Path, tmp_path: Path) -> None:
    files = [folder / f"f{n:02}.root" for n in range(FILES)]
    assert run("specs", *files, "-o", tmp_path / "s.json", *SKIP, "-q").code == 0
    check_report(tmp_path / "bad_files.json", [])


def test_a_foreign_file_of_the_reports_name_is_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad_files.json").write_text("mine")
    done = run("specs", folder / "f00.root", "-o", tmp_path / "s.json", *SKIP)
    assert done.code == 2
    assert (tmp_path / "bad_files.json").read_text() == "mine"


def test_the_originals_options_go_on_without_a_missing_file(folder: Path, tmp_path: Path) -> None:
    (folder / "f06.root").unlink()
    (folder / "files.txt").write_text("\n".join(str(folder / f"f{n:02}.root") for n in range(FILES)))
    (folder / "labels.txt").write_text("\n".join(str(n % 2) for n in range(FILES)))
    options = ("--files", folder / "files.txt", "--labels", folder / "labels.txt", "--model", folder / "model.py")
    assert run("train", *options, "--fout", tmp_path / "b", "-q").code == 2
    done = run("train", *options, "--fout", tmp_path / "b", "-q", *SKIP)
    assert done.code == 3, done.err
    check_report(tmp_path / "bad_files.json", [lost(folder, "missing")])


@given(st.integers(1, 400), st.integers(0, 400), st.one_of(st.integers(0, 50), st.integers(0, 100).map("{} %".format)))
def test_so_many_may_be_left_out_and_no_more(total: int, wrong: int, limit: int | str) -> None:
    bad = BadFiles(Reading(on_bad_file="skip", max_bad=limit))
    bad.total = total
    allowed = limit if isinstance(limit, int) else total * int(limit.split()[0]) // 100
    ends: FileError | None = None
    for number in range(min(wrong, total)):
        try:
            bad.leave_out(CorruptFileError(where=str(number)), str(number), number)
        except FileReadError as error:
            ends = error
            break
    assert (ends is not None) == (min(wrong, total) > allowed or min(wrong, total) == total > 0)
    assert len(bad.found) <= allowed + 1


def test_by_default_a_bad_file_is_an_error() -> None:
    bad = BadFiles(Reading())
    with pytest.raises(CorruptFileError):
        bad.leave_out(CorruptFileError(where="a"), "a", 1)
    bad.check([Sample(name="s", files=("a",), label=1)], [])
