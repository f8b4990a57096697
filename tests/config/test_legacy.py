from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.config import Cut, Sample, Variable, read_legacy, read_yaml, to_yaml
from mlaas4hep.config.legacy.load import CMS_REDIRECTOR
from mlaas4hep.errors import ConfigError, FileReadError, LabelError

PARAMS: dict[str, Any] = {"epochs": 2}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("a.root", "b.root"):
        (tmp_path / "data" / name).touch()
    (tmp_path / "files.txt").write_text("data/a.root\ndata/b.root\n")
    (tmp_path / "labels.txt").write_text("1\n0\n")
    params(tmp_path)
    return tmp_path


def params(folder: Path, **content: Any) -> Path:
    (folder / "params.json").write_text(json.dumps(PARAMS | content))
    return Path("params.json")


def preproc(folder: Path, content: object) -> Path:
    (folder / "preproc.json").write_text(json.dumps(content))
    return Path("preproc.json")


MODEL = Path("model.py")


def test_one_sample_a_file(folder: Path) -> None:
    found = read_legacy("files.txt", "labels.txt", params(folder), MODEL, specs=Path("specs.json"), name="higgs")
    assert found.samples == (
        Sample(name="a", files=(f"{folder}/data/a.root",), label=1),
        Sample(name="b", files=(f"{folder}/data/b.root",), label=0),
    )
    assert found.name == "higgs"
    assert found.training is not None
    assert found.training.model == folder / "model.py"
    assert found.specs == folder / "specs.json"
    assert found.reading.format is None
    assert found.reading.redirector is None


def test_the_name_in_the_parameters_wins(folder: Path) -> None:
    assert read_legacy("files.txt", "1,0", params(folder, name="mine"), MODEL, name="higgs").name == "mine"


def test_preprocessing_comes_before_the_selection_of_the_parameters(folder: Path) -> None:
    content = {
        "new_branch": {"x2": {"def": "x**2", "type": "flat", "cut": "x2 > 1", "keys_to_remove": ["x"]}},
        "jagged_cut": {"Jet_pt": {"cut": ["Jet_pt > 20", "any"], "remove": "True"}},
    }
    settings = params(folder, selection="x4 < 9", variables={"x4": "x2**2"}, exclude_branches="gen*")
    found = read_legacy("files.txt", "1,0", settings, MODEL, preproc(folder, content))
    assert found.variables == (
        Variable(name="x2", expression="x**2", kind="flat"),
        Variable(name="x4", expression="x2**2"),
    )
    assert found.selection == tuple(
        Cut(name=expression, expression=expression) for expression in ("x2 > 1", "any(Jet_pt > 20)", "x4 < 9")
    )
    assert found.features.exclude == ("gen*", "x", "Jet_pt")


def test_a_variable_in_both_files(folder: Path) -> None:
    content = {"new_branch": {"a": {"def": "x", "type": "flat"}}}
    with pytest.raises(ConfigError) as caught:
        read_legacy("files.txt", "1,0", params(folder, variables={"a": "y"}), MODEL, preproc(folder, content))
    assert str(caught.value) == "preproc.json: new_branch.a: is also one of the `variables` in the parameters"


@pytest.mark.parametrize("format", ["root", "csv", "json", "parquet", "avro"])
def test_formats(folder: Path, format: str) -> None:
    assert read_legacy("files.txt", "1,0", params(folder), MODEL, dtype=format).reading.format == format


def test_an_unknown_format(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_legacy("files.txt", "1,0", params(folder), MODEL, dtype="pdf")
    assert str(caught.value) == "--dtype: unknown format 'pdf'; it can be root, csv, json, parquet, avro, hdf5"


def test_labels_in_a_branch(folder: Path) -> None:
    for settings in (params(folder), params(folder, label_branch="isSignal")):
        found = read_legacy("files.txt", "isSignal", settings, MODEL)
        assert found.label_branch == "isSignal"
        assert [sample.label for sample in found.samples] == [None, None]


def test_two_branches_with_labels(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_legacy("files.txt", "isSignal", params(folder, label_branch="y"), MODEL)
    assert str(caught.value) == (
        "params.json: label_branch: labels are given twice; there is also 'isSignal' from --labels; keep one"
    )


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ("1,0,2", "--labels: 3 labels for 2 files; give one label per file, in the same order"),
        ("1", "--labels: 1 label for 2 files; give one label per file, in the same order"),
        ("three.txt", "three.txt: 3 labels for 2 files; give one label per file, in the same order"),
    ],
)
def test_labels_and_files_differ_in_number(folder: Path, labels: str, what: str) -> None:
    (folder / "three.txt").write_text("a\nb\nc\n")
    with pytest.raises(LabelError) as caught:
        read_legacy("files.txt", labels, params(folder), MODEL)
    assert str(caught.value) == what


def test_no_labels_at_all(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_legacy("files.txt", "", params(folder), MODEL)
    assert str(caught.value) == "params.json: sample a has no label, and no label_branch is given"


def test_a_label_beyond_all_numbers(folder: Path) -> None:
    (folder / "labels.txt").write_text("1.0\n1e999\n")
    with pytest.raises(ConfigError) as caught:
        read_legacy("files.txt", "labels.txt", params(folder), MODEL)
    assert str(caught.value) == "labels.txt: label 2: should be a finite number, is inf"


def test_logical_names(folder: Path) -> None:
    (folder / "files.txt").write_text("/store/a.root\n/user/b.root\n")
    found = read_legacy("files.txt", "1,0", params(folder, redirector="root://host"), MODEL)
    assert [sample.files for sample in found.samples] == [("/store/a.root",), ("/user/b.root",)]
    assert found.reading.redirector == "root://host"


def test_without_redirector_only_cms_names_are_logical(folder: Path) -> None:
    (folder / "files.txt").write_text("/store/a.root\ndata/b.root\n")
    assert read_legacy("files.txt", "1,0", params(folder), MODEL).reading.redirector == CMS_REDIRECTOR
    (folder / "files.txt").write_text("/user/a.root\ndata/b.root\n")
    with pytest.raises(FileReadError) as caught:
        read_legacy("files.txt", "1,0", params(folder), MODEL)
    assert str(caught.value) == "/user/a.root: no such file; given in files.txt, line 1"


def test_weights_of_files_of_one_name(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "a.root").touch()
    (folder / "files.txt").write_text("data/a.root\nmore/a.root\n")

    def weights(given: object) -> list[float]:
        found = read_legacy("files.txt", "1,0", params(folder, weights=given), MODEL)
        return [sample.weight for sample in found.samples]

    assert weights({"a": 2, "a_2": 3}) == [2.0, 3.0]
    assert weights({"data/a.root": 2, "more/a.root": 3}) == [2.0, 3.0]
    with pytest.raises(ConfigError, match="no weight for file data/a"):
        weights({"a.root": 2})


def test_the_same_workflow_comes_back_from_yaml(folder: Path) -> None:
    content = {"flat_cut": {"nLeptons": {"cut": "0<=nLeptons<=2", "remove": "True"}}}
    found = read_legacy("files.txt", "labels.txt", params(folder, hist="plots"), MODEL, preproc(folder, content))
    path = folder / "data" / "w.yaml"
    path.write_text(to_yaml(found))
    assert read_yaml(path) == found
