"""Bad outputs: something else is there, no permission, a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Work


def test_a_folder_that_is_no_bundle(work: Work) -> None:
    work.fout.mkdir()
    (work.fout / "thesis.tex").write_text("precious")
    says = [f"{work.fout}: it exists and is not a model bundle", "choose another name or remove it"]
    work.refused(*work.legacy(), says=says)
    assert (work.fout / "thesis.tex").read_text() == "precious"


def test_a_file_that_is_no_bundle(work: Work) -> None:
    work.fout.write_text("precious")
    work.refused(*work.legacy(), says=[f"{work.fout}: it exists and is not a model bundle"])


def test_the_working_folder(work: Work) -> None:
    (Path.cwd() / "notes.txt").write_text("precious")
    arguments = work.legacy()[:-2]
    work.refused(*arguments, "--fout", ".", says=["it exists and is not a model bundle"])
    work.refused(*arguments, "--fout", "/", says=["/: "])


def test_something_where_the_checkpoint_would_be(work: Work) -> None:
    folder = work.outputs / "bundle.checkpoint"
    folder.mkdir()
    (folder / "precious").write_text("")
    arguments = work.legacy()
    work.refused(*arguments, says=[f"{folder}: it exists and is not a checkpoint", "another name"])
    work.refused(*arguments, "--resume", says=[f"{folder}: it exists and is not a checkpoint"])


def test_a_path_through_a_file(work: Work) -> None:
    work.fout.write_text("a file")
    arguments = work.legacy()[:-2]
    work.refused(*arguments, "--fout", work.fout / "inner", says=["a part of the path is a file, not a folder"])


def test_a_table_of_the_split_that_cannot_be_written(work: Work) -> None:
    (work.outputs / "file").write_text("a file")
    place = work.outputs / "file" / "split.parquet"
    work.refused(*work.legacy(), "--split-out", place, says=[f"{place}: a part of the path is a file"])


def test_a_folder_is_never_replaced_by_a_file(work: Work, trained: Path) -> None:
    """Whatever the command: the folder of inputs, given as output by mistake, stays as it is."""
    sig, place = work.inputs / "sig.root", work.inputs
    says = [f"{place}: there is a folder of this name", "choose another name"]
    work.refused(*work.legacy(), "--split-out", place, says=says)
    work.refused("specs", sig, "-o", place, says=says)
    work.refused("reader", "--fin", sig, "--fout", place, says=says)
    listed = work.write("labels.txt", "signal\n")
    work.refused("evaluate", trained, "--files", sig, "--labels", listed, "--report", place, says=says)
    place = work.inputs / "scores.csv"
    place.mkdir()
    says = [f"{place}: there is a folder of this name"]
    work.refused("predict", trained, sig, "-o", place, "--overwrite", says=says)


def test_an_archive_never_replaces_a_folder(work: Work) -> None:
    place = work.outputs / "bundle.tar.gz"
    place.mkdir()
    work.refused(*work.legacy()[:-1], place, says=[f"{place}: there is a folder of this name"])


def test_histograms_that_cannot_be_written(work: Work) -> None:
    (work.outputs / "file").write_text("a file")
    place = work.outputs / "file" / "hist"
    work.refused(*work.legacy(hist=str(place)), says=[f"{place}: a part of the path is a file"])


def test_specs_that_cannot_be_written(work: Work) -> None:
    (work.outputs / "file").write_text("a file")
    place = work.outputs / "file" / "specs.json"
    work.refused("specs", work.inputs / "sig.root", "-o", place, says=[f"{place}: a part of the path is a file"])


@pytest.fixture
def unwritable(work: Work) -> Iterator[Path]:
    """A folder nobody may write to: read-only even for root, where it can be made."""
    folder = work.outputs / "locked"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    yield from _mounted(folder, "ro,size=64k")


@pytest.fixture
def small(work: Work) -> Iterator[Path]:
    """A folder on a disk of 64 KiB."""
    folder = work.outputs / "small"
    folder.mkdir()
    yield from _mounted(folder, "size=64k")


def _mounted(folder: Path, options: str) -> Iterator[Path]:
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("only root can make a small or read-only disk")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([umount, str(folder)], check=True)


def test_a_folder_that_is_not_writable(work: Work, unwritable: Path) -> None:
    arguments = work.legacy()[:-2]
    outcome = work.refused(*arguments, "--fout", unwritable / "bundle", says=[f"{unwritable / 'bundle'}: "])
    assert "read-only" in outcome.error or "no permission to write here" in outcome.error
    assert "choose another place" in outcome.error


@pytest.mark.parametrize("name", ["bundle", "bundle.tar.gz"])
def test_a_full_disk(work: Work, small: Path, name: str) -> None:
    arguments = work.legacy()[:-2]
    says = [f"{small / name}: the disk is full", "free some space or choose another place"]
    work.refused(*arguments, "--fout", small / name, says=says, only=False)
    assert list(small.iterdir()) == []
    (small / "ballast").write_bytes(bytes(64 * 1024))
    work.refused(*arguments, "--fout", small / name, says=["the disk is full"], only=False)
    assert [path.name for path in small.iterdir()] == ["ballast"]
