from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.atomic import files
from mlaas4hep.bundle import BundleContents, Manifest, check_destination, load_bundle, write_bundle
from mlaas4hep.bundle import write as module
from mlaas4hep.errors import BundleError, OutputError

FILES = {
    "manifest.json",
    "model.onnx",
    "native/about.json",
    "native/deeper/weights.bin",
    "specs.json",
    "preproc.json",
    "metrics.json",
    "report.html",
    "params.json",
    "labels.txt",
    "config.pbtxt",
}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_a_folder_holds_every_file_and_their_checksums(contents: BundleContents, out: Path) -> None:
    assert write_bundle(out / "model", contents) == out / "model"
    files = tree(out / "model")
    assert files.keys() == FILES
    records = json.loads(files.pop("manifest.json"))["files"]
    assert records == {
        name: {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)} for name, text in files.items()
    }
    assert list(json.loads(files["specs.json"])) == ["z", "a"]
    assert files["labels.txt"] == b"background\nsignal\n"
    assert [path.name for path in out.iterdir()] == ["model"]


@pytest.mark.parametrize("name", ["model.tar.gz", "model.tgz", "MODEL.TAR.GZ"])
def test_an_archive_holds_the_same_in_one_folder(contents: BundleContents, out: Path, name: str) -> None:
    write_bundle(out / name, contents)
    write_bundle(out / "model", contents)
    with tarfile.open(out / name) as tar:
        members = tar.getmembers()
        found = {}
        for member in members:
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    assert found == {f"higgs/{path}": content for path, content in tree(out / "model").items()}
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {member.mtime for member in members} == {1767323045}
    assert {(member.uid, member.gid, member.mode) for member in members} == {(0, 0, 0o644)}
    assert sorted(path.name for path in out.iterdir()) == sorted([name, "model"])


def test_the_same_content_gives_the_same_bytes(contents: BundleContents, out: Path) -> None:
    shuffled = replace(contents, metrics={"b": 1, "a": 2}), replace(contents, metrics={"a": 2, "b": 1})
    for number, each in enumerate(shuffled):
        write_bundle(out / f"{number}.tar.gz", each)
        write_bundle(out / f"{number}", each)
    assert (out / "0.tar.gz").read_bytes() == (out / "1.tar.gz").read_bytes()
    assert tree(out / "0") == tree(out / "1")


def test_the_native_model_alone(contents: BundleContents, out: Path) -> None:
    manifest = contents.manifest.model_copy(update={"served": "native", "reason": "no conversion", "parity": None})
    write_bundle(out / "model", replace(contents, manifest=manifest, onnx=None))
    assert tree(out / "model").keys() == FILES - {"model.onnx"}


def test_further_files(contents: BundleContents, out: Path) -> None:
    write_bundle(out / "model", replace(contents, extra={"plots/roc.svg": b"<svg/>"}))
    assert (out / "model" / "plots" / "roc.svg").read_bytes() == b"<svg/>"
    with load_bundle(out / "model") as bundle:
        assert "plots/roc.svg" in bundle.manifest.files


@pytest.mark.parametrize("name", ["../up", "/abs", "specs.json", "manifest.json", "native/x", "a//b", "./a"])
def test_further_files_with_bad_names_are_refused(contents: BundleContents, out: Path, name: str) -> None:
    with pytest.raises(BundleError, match="cannot be the name of another file of a bundle"):
        write_bundle(out / "model", replace(contents, extra={name: b""}))
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", ["model", "model.tar.gz"])
def test_a_bundle_is_replaced(contents: BundleContents, out: Path, name: str) -> None:
    write_bundle(out / name, contents)
    write_bundle(out / name, replace(contents, report="new"))
    with load_bundle(out / name) as bundle:
        assert (bundle.folder / "report.html").read_text() == "new"
    assert [path.name for path in out.iterdir()] == [name]


def test_an_empty_folder_is_taken(contents: BundleContents, out: Path) -> None:
    write_bundle(out, contents)
    assert tree(out).keys() == FILES


def test_missing_folders_above_are_made(contents: BundleContents, out: Path) -> None:
    write_bundle(out / "deep" / "er" / "model", contents)
    assert tree(out / "deep" / "er" / "model").keys() == FILES


@pytest.mark.parametrize("name", ["model", "model.tar.gz"])
def test_a_foreign_file_is_not_replaced(contents: BundleContents, out: Path, name: str) -> None:
    (out / name).write_text("my thesis")
    with pytest.raises(OutputError, match="it exists and is not a model bundle; choose another name"):
        write_bundle(out / name, contents)
    assert (out / name).read_text() == "my thesis"


def test_a_foreign_folder_is_not_replaced(contents: BundleContents, out: Path) -> None:
    (out / "thesis.tex").write_text("my thesis")
    with pytest.raises(OutputError, match="it exists and is not a model bundle"):
        write_bundle(out, contents)
    assert tree(out) == {"thesis.tex": b"my thesis"}


def test_a_bundle_with_files_of_the_user_is_not_replaced(contents: BundleContents, out: Path) -> None:
    write_bundle(out / "model", contents)
    (out / "model" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"do not belong to it \(notes.txt\)"):
        write_bundle(out / "model", contents)
    assert (out / "model" / "notes.txt").read_text() == "mine"


def test_a_folder_in_place_of_an_archive(contents: BundleContents, out: Path) -> None:
    (out / "model.tar.gz").mkdir()
    with pytest.raises(OutputError, match="there is a folder of this name"):
        write_bundle(out / "model.tar.gz", contents)


def test_a_link_stays_and_the_bundle_is_where_it_leads(contents: BundleContents, out: Path) -> None:
    (out / "model").symlink_to(out / "elsewhere")
    write_bundle(out / "model", contents)
    write_bundle(out / "model", replace(contents, report="new"))
    assert (out / "model").readlink() == out / "elsewhere"
    with load_bundle(out / "elsewhere") as bundle:
        assert (bundle.folder / "report.html").read_text() == "new"
    assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize("name", ["pipe", "pipe.tar.gz"])
def test_a_pipe_is_no_place_for_a_bundle(contents: BundleContents, out: Path, name: str) -> None:
    os.mkfifo(out / name)
    with pytest.raises(OutputError, match=f"{name}: is a pipe or a device"):
        write_bundle(out / name, contents)
    assert (out / name).is_fifo()


def test_a_file_on_the_way(contents: BundleContents, out: Path) -> None:
    (out / "file").write_text("")
    with pytest.raises(OutputError, match="a part of the path is a file, not a folder; choose another place"):
        write_bundle(out / "file" / "model", contents)


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A folder that everybody may enter and the user may not write to; for root, the user is somebody else."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.rmdir()


def test_no_permission(contents: BundleContents, unwritable: Path) -> None:
    with pytest.raises(OutputError, match="no permission to write here; choose another place"):
        write_bundle(unwritable / "model", contents)
    with pytest.raises(OutputError, match="no permission to write here; choose another place"):
        write_bundle(unwritable / "deep" / "model", contents)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A limit on the size of files stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", ["model", "model.tar.gz"])
@pytest.mark.usefixtures("small_disk")
def test_nothing_half_written_stays_when_writing_fails(contents: BundleContents, out: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"model.*cannot be written \(File too large\)"):
        write_bundle(out / name, contents)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", ["model", "model.tar.gz"])
def test_an_interrupt_leaves_the_old_bundle(
    contents: BundleContents, out: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(out / name, contents)
    before = (out / name).stat()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(out / name, replace(contents, report="new"))
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).stat().st_ino == before.st_ino


def test_an_interrupt_between_the_two_renames_puts_the_old_bundle_back(
    contents: BundleContents, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(out / "model", contents)
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(files, "exchange", lambda _one, _other: False)
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(out / "model", replace(contents, report="new"))
    monkeypatch.undo()
    assert [path.name for path in out.iterdir()] == ["model"]
    with load_bundle(out / "model") as bundle:
        assert (bundle.folder / "report.html").read_text() == "<html></html>"


def test_links_in_the_native_model_are_refused(contents: BundleContents, out: Path) -> None:
    assert contents.native is not None
    (contents.native / "link").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="holds something other than files and folders"):
        write_bundle(out / "model", contents)
    assert list(out.iterdir()) == []


def test_contents_that_contradict_each_other_are_refused(
    contents: BundleContents, out: Path, make_manifest: Callable[..., Manifest]
) -> None:
    assert contents.manifest.parity is not None
    layout = contents.manifest.layout
    with pytest.raises(BundleError, match="the ONNX model is to be served, but there is none"):
        write_bundle(out / "model", replace(contents, onnx=None))
    differs = contents.manifest.parity.model_copy(update={"agreed": False, "reason": "differs"})
    with pytest.raises(BundleError, match="it does not agree with the native one"):
        write_bundle(out / "model", replace(contents, manifest=make_manifest(layout, parity=differs)))
    native = make_manifest(layout, served="native", reason="differs")
    with pytest.raises(BundleError, match="the native model is to be served, but there is none"):
        write_bundle(out / "model", replace(contents, manifest=native, native=None))


def test_the_place_can_be_checked_before_training(out: Path) -> None:
    check_destination(out / "new" / "model")
    check_destination(out)
    (out / "a").write_text("")
    with pytest.raises(OutputError, match="exists and is not a model bundle"):
        check_destination(out)
    shutil.rmtree(out)
    check_destination(out)
