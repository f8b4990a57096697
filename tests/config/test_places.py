from __future__ import annotations

from pathlib import Path

import pytest

from mlaas4hep.config.places import absolute, expand, find, is_file, is_remote
from mlaas4hep.errors import FileReadError


@pytest.mark.parametrize(
    ("name", "redirector", "expected"),
    [
        ("root://host//store/a.root", None, True),
        ("https://host/a.root", None, True),
        ("file:///data/a.root", None, True),
        ("/store/a.root", None, True),
        ("/data/of/nobody/a.root", None, False),
        ("/data/of/nobody/a.root", "root://host", True),
        ("data/a.root", "root://host", False),
    ],
)
def test_remote(name: str, redirector: str | None, expected: bool) -> None:
    assert is_remote(name, redirector) is expected


def test_a_local_file_is_not_remote(tmp_path: Path) -> None:
    (tmp_path / "a.root").touch()
    assert not is_remote(str(tmp_path / "a.root"), "root://host")


def test_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "real.root").touch()
    (tmp_path / "link.root").symlink_to("real.root")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute("a.root", tmp_path) == tmp_path / "a.root"
    assert absolute("../a.root", tmp_path / "sub") == tmp_path.resolve() / "a.root"
    assert absolute("../link.root", tmp_path / "sub").name == "link.root"
    assert absolute("/x/../a.root", tmp_path) == Path("/x/../a.root")
    assert absolute("~/a.root", Path("/elsewhere")) == tmp_path / "a.root"
    assert absolute("~nobody-of-this-name/a", tmp_path) == tmp_path / "~nobody-of-this-name/a"


def test_a_long_list_is_no_file() -> None:
    assert not is_file("a.root," * 1000)
    assert not is_file("a\0b")


def test_find_takes_the_first_folder_that_has_it(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (two / "a.root").touch()
    assert find("a.root", [one, two], None, "list") == str(two / "a.root")
    (one / "a.root").touch()
    assert find("a.root", [one, two], None, "list") == str(one / "a.root")


def test_find_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileReadError) as caught:
        find("a.root", [tmp_path], None, "files.txt, line 3")
    assert str(caught.value) == "a.root: no such file; given in files.txt, line 3"
    for impossible in ("x" * 5000, "a\0b"):
        with pytest.raises(FileReadError, match="no such file"):
            find(impossible, [tmp_path], None, "files.txt, line 3")
    (tmp_path / "folder").mkdir()
    assert find("folder", [tmp_path], None, "files.txt, line 3") == str(tmp_path / "folder")


def test_expand(tmp_path: Path) -> None:
    for name in ("b2.root", "b1.root", "b[1].root", "c.txt", ".hidden.root"):
        (tmp_path / name).touch()
    (tmp_path / "b9.root").mkdir()
    deep = tmp_path / "x" / "y"
    deep.mkdir(parents=True)
    (deep / "d.root").touch()

    def names(pattern: str) -> list[str]:
        return [str(Path(found).relative_to(tmp_path)) for found in expand(pattern, tmp_path, None, "w.yaml")]

    assert names("b?.root") == ["b1.root", "b2.root"]
    assert names("b[1].root") == ["b[1].root"]
    assert names("b[12].root") == ["b1.root", "b2.root"]
    assert names("x/**/*.root") == ["x/y/d.root"]
    assert names(str(tmp_path / "*.txt")) == ["c.txt"]
    assert expand("/store/*.root", tmp_path, None, "w.yaml") == ["/store/*.root"]
    assert expand("root://host//a?b", tmp_path, None, "w.yaml") == ["root://host//a?b"]


def test_a_pattern_without_match(tmp_path: Path) -> None:
    with pytest.raises(FileReadError) as caught:
        expand("*.root", tmp_path, None, "w.yaml: samples.0.files")
    assert str(caught.value) == "*.root: no file matches this pattern; given in w.yaml: samples.0.files"
