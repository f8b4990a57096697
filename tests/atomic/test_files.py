from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mlaas4hep.atomic.files import beside, check_place, output_error, replace
from mlaas4hep.errors import OutputError


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "x: the disk is full; free some space"),
        (errno.EDQUOT, "x: the disk quota is used up; free some space"),
        (errno.EACCES, "x: no permission to write here; choose another place"),
        (errno.EROFS, "x: the file system is read-only; choose another place"),
        (errno.EIO, "x: cannot be written (Input/output error)"),
    ],
)
def test_a_failure_is_told_in_words(number: int, message: str) -> None:
    assert str(output_error(OSError(number, os.strerror(number)), "x")).startswith(message)


def test_a_full_disk() -> None:
    with pytest.raises(OutputError, match="out: the disk is full"), beside(Path("out")):
        Path("/dev/full").write_bytes(b"1")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_partial_file_goes_away(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with beside(tmp_path / "out") as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_was_renamed_stays(tmp_path: Path) -> None:
    with beside(tmp_path / "out") as partial:
        assert partial.parent.parent == tmp_path
        partial.write_text("whole")
        replace(partial, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_long_name_is_possible(tmp_path: Path) -> None:
    with beside(tmp_path / ("n" * 255)) as partial:
        partial.write_text("whole")
        replace(partial, tmp_path / ("n" * 255))


def test_no_name() -> None:
    with pytest.raises(OutputError, match="/: this is not a name for an output"), beside(Path("/")):
        pass


def test_a_file_never_replaces_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("precious")

    def write() -> None:
        with beside(folder) as partial:
            partial.write_text("a table")
            replace(partial, folder)

    with pytest.raises(OutputError, match=f"{folder}: there is a folder of this name"):
        write()
    assert (folder / "chapter.tex").read_text() == "precious"
    assert list(tmp_path.iterdir()) == [folder]
    with pytest.raises(OutputError, match="there is a folder of this name; choose another name"):
        check_place(folder, file=True)
    check_place(folder)
