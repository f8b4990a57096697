from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.config.legacy.lists import Labels, label_of, read_files, read_labels, sample_names
from mlaas4hep.errors import ConfigError, FileReadError, LabelError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.root", "b.root", "data.csv"):
        (tmp_path / name).touch()
    return tmp_path


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda text: text == text.strip() and not text.startswith("#")
)


@settings(deadline=None)
@given(st.lists(LINES, min_size=1))
def test_labels_round_trip_through_a_file(labels: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "labels.txt"
        path.write_text("# labels\n\n" + "\n".join(f"  {label}" for label in labels) + "\r\n", encoding="utf-8")
        found = read_labels(str(path))
    assert found == Labels(tuple(label_of(label) for label in labels), None, str(path))
    assert [str(label) for label in found.values if isinstance(label, str)] == [
        label for label in labels if isinstance(label_of(label), str)
    ]


@settings(deadline=None)
@given(st.lists(LINES.filter(lambda text: "," not in text), min_size=2))
def test_labels_round_trip_with_commas(labels: list[str]) -> None:
    assert read_labels(", ".join(labels)).values == tuple(label_of(label) for label in labels)


@settings(deadline=None)
@given(st.lists(LINES, min_size=1))
def test_remote_files_round_trip_through_a_file(names: list[str]) -> None:
    urls = [f"root://host//{name}" for name in names]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "files.txt"
        path.write_text("\n# remote\n".join(urls), encoding="utf-8")
        assert read_files(str(path)) == [(url, url) for url in urls]


@settings(deadline=None)
@given(st.integers(-(10**17), 10**17))
def test_integers_stay_integers(number: int) -> None:
    found = label_of(str(number))
    assert found == number
    assert isinstance(found, int)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimal_numbers_become_floats(number: float) -> None:
    found = label_of(repr(number))
    assert found == number
    assert isinstance(found, float)


@pytest.mark.parametrize("name", ["nan", "inf", "1_000", "1,5", "e5", "0x1", "ttbar", "1 2", "--1", ".", "9" * 30])
def test_all_else_is_a_name(name: str) -> None:
    assert label_of(name) == name


def test_list_of_files(folder: Path) -> None:
    (folder / "files.txt").write_text("# signal\na.root\n\n  b.root  \n#b.root\nroot://h//c.root\n/store/d.root\n")
    assert read_files("files.txt") == [
        ("a.root", f"{folder}/a.root"),
        ("b.root", f"{folder}/b.root"),
        ("root://h//c.root", "root://h//c.root"),
        ("/store/d.root", "/store/d.root"),
    ]


def test_relative_names_start_in_the_working_folder_then_beside_the_list(folder: Path) -> None:
    beside = folder / "beside"
    beside.mkdir()
    (beside / "a.root").touch()
    (beside / "c.root").touch()
    (beside / "files.txt").write_text("a.root\nc.root\n")
    assert [place for _, place in read_files("beside/files.txt")] == [f"{folder}/a.root", f"{beside}/c.root"]


def test_files_with_commas_and_one_file(folder: Path) -> None:
    assert [place for _, place in read_files("a.root, b.root,")] == [f"{folder}/a.root", f"{folder}/b.root"]
    assert read_files("a.root") == [("a.root", f"{folder}/a.root")]
    assert read_files("data.csv") == [("data.csv", f"{folder}/data.csv")]
    assert read_files("/store/x.root") == [("/store/x.root", "/store/x.root")]
    assert read_files("/user/x", "root://host") == [("/user/x", "/user/x")]


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ("a.root,none.root", "none.root: no such file; given in --files"),
        ("none.root", "none.root: no such file; given in --files"),
        ("none.txt", "none.txt: no such file"),
        ("files.txt", "none.root: no such file; given in files.txt, line 3"),
        ("/user/x.root", "/user/x.root: no such file; given in --files"),
    ],
)
def test_no_such_file(folder: Path, files: str, what: str) -> None:
    (folder / "files.txt").write_text("a.root\n\nnone.root\n")
    with pytest.raises(FileReadError) as caught:
        read_files(files)
    assert str(caught.value) == what


@pytest.mark.parametrize(("files", "where"), [("", "--files"), (",", ","), ("files.txt", "files.txt")])
def test_no_file_at_all(folder: Path, files: str, where: str) -> None:
    (folder / "files.txt").write_text("# a.root\n")
    with pytest.raises(ConfigError) as caught:
        read_files(files)
    assert str(caught.value) == f"{where}: no data file is given; write one path per line"


def test_labels_in_every_form(folder: Path) -> None:
    (folder / "labels.txt").write_text("# first\n1\n\n0\n")
    (folder / "kinds").write_text("ggH\n0.5\n")
    assert read_labels("labels.txt") == Labels((1, 0), None, "labels.txt")
    assert read_labels("kinds") == Labels(("ggH", 0.5), None, "kinds")
    assert read_labels("1,0") == Labels((1, 0), None, "--labels")
    assert read_labels("signal, background") == Labels(("signal", "background"), None, "--labels")
    assert read_labels("1") == Labels((1,), None, "--labels")
    assert read_labels("isSignal") == Labels((), "isSignal", "--labels")
    assert read_labels("") == Labels((), None, "--labels")


@pytest.mark.parametrize("labels", ["labels.txt", "folder/labels"])
def test_no_such_labels(folder: Path, labels: str) -> None:
    with pytest.raises(FileReadError) as caught:
        read_labels(labels)
    assert str(caught.value) == f"{labels}: no such file"
    assert not (folder / labels).exists()


def test_no_label_in_the_file(folder: Path) -> None:
    (folder / "labels.txt").write_text("# none\n")
    with pytest.raises(LabelError) as caught:
        read_labels("labels.txt")
    assert str(caught.value) == "labels.txt: no label in it; write one label per line, in the order of the files"


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["d/a.root", "root://h//e/b.root", "c.csv.gz"], ["a", "b", "c"]),
        (["x/a.root", "y/a.root", "z/a.root"], ["a", "a_2", "a_3"]),
        (["x/a.root", "y/a.root", "a_2.root"], ["a", "a_3", "a_2"]),
        (["https://h/a.root?token=b/c.d"], ["a"]),
        (["a.b.root"], ["a.b"]),
        (["root://h//"], ["h"]),
        (["/"], ["sample"]),
    ],
)
def test_sample_names(files: list[str], names: list[str]) -> None:
    assert sample_names(files) == names


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "b"]), max_size=12))
def test_sample_names_are_unique(stems: list[str]) -> None:
    names = sample_names([f"{index}/{stem}.root" for index, stem in enumerate(stems)])
    assert len(set(names)) == len(stems)
    assert all(name.startswith(stem) for name, stem in zip(names, stems, strict=True))
