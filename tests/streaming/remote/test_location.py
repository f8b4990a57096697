"""Where a file is: local paths, URLs, logical names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.remote.location import is_remote, local_path, name_of, resolve


@pytest.mark.parametrize(
    ("path", "redirector", "expected"),
    [
        ("/store/a.root", "root://host", "root://host//store/a.root"),
        ("/store/a.root", "root://host/", "root://host//store/a.root"),
        ("/store/a.root", "root://host//", "root://host//store/a.root"),
        ("//store/a.root", "root://host:1094", "root://host:1094//store/a.root"),
        ("/store/a.root", " root://host ", "root://host//store/a.root"),
        ("/eos/user/a.root", "root://host", "root://host//eos/user/a.root"),
        ("/store/a.root", "https://host/dav", "https://host/dav//store/a.root"),
        ("/store/a.root", None, "/store/a.root"),
        ("a.root", "root://host", "a.root"),
        ("root://other//store/a.root", "root://host", "root://other//store/a.root"),
        ("roots://other//a.root", "root://host", "roots://other//a.root"),
        ("https://other/a.root", "root://host", "https://other/a.root"),
        ("file:///data/a.root", "root://host", "/data/a.root"),
        ("file://localhost/data/a.root", None, "/data/a.root"),
        ("  /store/a.root\n", "root://host", "root://host//store/a.root"),
    ],
)
def test_resolve(path: str, redirector: str | None, expected: str) -> None:
    assert resolve(path, redirector) == expected


def test_a_local_file_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    assert resolve(str(path), "root://host") == f"root://host/{path}"
    path.write_bytes(b"root")
    assert resolve(str(path), "root://host") == str(path)


@given(st.text("ab/", min_size=1, max_size=12).filter(lambda text: text.strip("/")), st.integers(0, 3))
def test_exactly_one_double_slash_follows_the_host(name: str, slashes: int) -> None:
    url = resolve(f"/no-such-folder/{name}", "root://host:1" + "/" * slashes)
    assert url.startswith("root://host:1//no-such-folder/")


def test_empty_path() -> None:
    with pytest.raises(FileReadError, match="the path of a file is empty"):
        resolve("  ", None)


def test_redirector_that_is_no_url() -> None:
    with pytest.raises(FileReadError, match=r"/store/a: the redirector 'host' is not a URL; write it like root://"):
        resolve("/store/a", "host")


@pytest.mark.parametrize(
    ("path", "remote"),
    [("root://h//a", True), ("https://h/a", True), ("file:///a", False), ("/a", False), ("a://", True), ("a:b", False)],
)
def test_is_remote(path: str, remote: bool) -> None:
    assert is_remote(path) is remote


def test_local_path() -> None:
    assert local_path("~/a.root") == Path.home() / "a.root"
    for name in ("~nobody-of-this-name.root", "file://~nobody-of-this-name.root"):
        assert local_path(name) == Path("~nobody-of-this-name.root")
    with pytest.raises(FileReadError, match="is not a local file"):
        local_path("root://h//a")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.ROOT", "a.ROOT"),
        ("root://h//store/a.root?svcClass=x", "a.root"),
        ("https://h/a.parquet#x", "a.parquet"),
        ("folder.root/a", "a"),
        ("file:///data/a%20b.csv", "a b.csv"),
    ],
)
def test_the_name_of_a_file(path: str, name: str) -> None:
    assert name_of(path) == name


def test_a_file_url_with_an_escaped_blank(tmp_path: Path) -> None:
    (tmp_path / "a b.csv").write_text("x\n1\n")
    assert local_path(f"file://{tmp_path}/a%20b.csv") == tmp_path / "a b.csv"


def test_a_file_that_is_really_called_so(tmp_path: Path) -> None:
    (tmp_path / "a%20b.csv").write_text("x\n1\n")
    assert local_path(f"file://{tmp_path}/a%20b.csv") == tmp_path / "a%20b.csv"
