from __future__ import annotations

from pathlib import Path

import pytest

from mlaas4hep.config.legacy.samples import CMS_REDIRECTOR, count, default_redirector, read_samples
from mlaas4hep.errors import ConfigError, LabelError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for name in ("a.root", "b.root"):
        Path(name).write_text("")
    Path("files.txt").write_text("a.root\nb.root\n")
    return [str(tmp_path / "a.root"), str(tmp_path / "b.root")]


def test_one_sample_a_file(files: list[str]) -> None:
    Path("labels.txt").write_text("higgs\n2\n")
    samples, branch = read_samples("files.txt", "labels.txt")
    assert branch is None
    assert [(sample.name, sample.files, sample.label, sample.weight) for sample in samples] == [
        ("a", (files[0],), "higgs", 1.0),
        ("b", (files[1],), 2, 1.0),
    ]


@pytest.mark.usefixtures("files")
def test_a_branch_or_nothing_in_place_of_labels() -> None:
    samples, branch = read_samples("a.root,b.root", "target")
    assert branch == "target"
    assert [sample.label for sample in samples] == [None, None]
    assert read_samples("a.root", "")[1] is None


@pytest.mark.usefixtures("files")
def test_labels_and_files_differ_in_number() -> None:
    with pytest.raises(LabelError, match="--labels: 3 labels for 2 files; give one label per file, in the same order"):
        read_samples("files.txt", "1,0,0")
    with pytest.raises(LabelError, match="--labels: 1 label for 2 files"):
        read_samples("files.txt", "1")
    with pytest.raises(ConfigError, match="no data file is given"):
        read_samples("", "1")


def test_logical_names_have_the_redirector_of_the_original(files: list[str]) -> None:
    assert default_redirector(files) is None
    assert default_redirector([*files, "/store/data/a.root"]) == CMS_REDIRECTOR
    assert default_redirector(["root://host//store/data/a.root"]) is None


def test_count() -> None:
    assert [count(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
