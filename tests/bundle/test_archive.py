from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.bundle.archive import pack, read_member, unpack
from mlaas4hep.errors import BundleError


def make(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return path


def entry(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "inside" / "target"
    folder.mkdir(parents=True)
    return folder


def test_what_was_packed_is_unpacked(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "manifest.json").write_bytes(b"{}")
    (source / "deep" / "file").write_bytes(os.urandom(600_000))
    pack(source, tmp_path / "a.tgz", "top", 0)
    folder = unpack(tmp_path / "a.tgz", target)
    assert folder == target / "top"
    assert (folder / "deep" / "file").read_bytes() == (source / "deep" / "file").read_bytes()
    assert read_member(tmp_path / "a.tgz", "manifest.json") == b"{}"
    assert read_member(tmp_path / "a.tgz", "file") is None, "only at the top"


def test_a_long_name_with_accents_survives(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    name = "\N{GREEK SMALL LETTER TAU}" * 70
    (source / name).write_bytes(b"1")
    pack(source, tmp_path / "a.tgz", "top", 0)
    assert (unpack(tmp_path / "a.tgz", target) / name).read_bytes() == b"1"


def test_without_a_folder_at_the_top(tmp_path: Path, target: Path) -> None:
    archive = make(tmp_path / "a.tgz", entry("./manifest.json", b"{}"), entry("sub", kind=tarfile.DIRTYPE))
    assert unpack(archive, target) == target
    assert (target / "manifest.json").exists()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (entry("../up", b"1"), r"the archive holds an unsafe name: '\.\./up'"),
        (entry("a/../../up", b"1"), "unsafe name"),
        (entry("/etc/up", b"1"), "unsafe name: '/etc/up'"),
        (entry("a\\b", b"1"), "unsafe name"),
        (entry("/".join("a" * 20), b"1"), "unsafe name"),
        (entry("link", kind=tarfile.SYMTYPE, link="/etc"), "something other than files and folders: 'link'; links and"),
        (entry("link", kind=tarfile.LNKTYPE, link="x"), "something other than files and folders"),
        (entry("pipe", kind=tarfile.FIFOTYPE), "something other than files and folders"),
        (entry("disk", kind=tarfile.BLKTYPE), "something other than files and folders"),
        (entry("terminal", kind=tarfile.CHRTYPE), "something other than files and folders"),
        (entry("ok", b"again"), "the archive holds 'ok' twice"),
        (entry("ok/inside", b"1"), "cannot be unpacked"),
    ],
)
def test_unsafe_entries_are_refused(
    tmp_path: Path, target: Path, bad: tuple[tarfile.TarInfo, bytes], message: str
) -> None:
    archive = make(tmp_path / "a.tgz", entry("ok", b"1"), bad)
    with pytest.raises(BundleError, match=message):
        unpack(archive, target)
    assert not list(tmp_path.rglob("*up"))
    assert (target / "ok").read_bytes() == b"1"


def test_too_many_entries(tmp_path: Path, target: Path) -> None:
    archive = make(tmp_path / "a.tgz", *(entry(str(number)) for number in range(6)))
    with pytest.raises(BundleError, match="holds more than 5 entries"):
        unpack(archive, target, max_files=5)


def test_too_many_bytes(tmp_path: Path, target: Path) -> None:
    archive = make(tmp_path / "a.tgz", entry("a", bytes(600)), entry("b", bytes(600)))
    with pytest.raises(BundleError, match="holds more than 1000 bytes"):
        unpack(archive, target, max_bytes=1000)
    assert not (target / "b").exists()


def test_a_header_that_pretends_to_be_huge(tmp_path: Path, target: Path) -> None:
    """A PAX header is read into memory at once: its size is bounded, whatever the limit on the sum."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    with gzip.open(tmp_path / "a.tgz", "wb") as file:
        file.write(info.tobuf() + bytes(1 << 12))
    with pytest.raises(BundleError, match="the archive is too large"):
        unpack(tmp_path / "a.tgz", target)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    return content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]


@pytest.mark.parametrize("damage", [cut, flip, lambda _: b"", gzip.decompress, lambda _: b"x" * 99])
def test_damage_is_found(tmp_path: Path, target: Path, damage: Callable[[bytes], bytes]) -> None:
    archive = make(tmp_path / "a.tgz", entry("a", os.urandom(100_000)))
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(BundleError, match=r"not a tar.gz archive, or damaged|truncated"):
        unpack(archive, target)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_no_change_of_a_byte_leads_to_another_error(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    archive = make(folder / "a.tgz", entry("a/manifest.json", b"{}"), entry("a/b", b"12"))
    plain = bytearray(gzip.decompress(archive.read_bytes()))
    plain[position % len(plain)] = value
    archive.write_bytes(gzip.compress(bytes(plain)))
    (folder / "t").mkdir()
    with suppress(BundleError):
        unpack(archive, folder / "t")
    assert {path.name for path in folder.iterdir()} == {"a.tgz", "t"}
