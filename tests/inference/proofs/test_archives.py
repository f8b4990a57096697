"""Archives that are traps, against a real process."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.attacks import peak, resident
from tests.support.serve_process import ServeProcess

MIB = 1 << 20
pytestmark = pytest.mark.usefixtures("healthy")


def archive(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar.gz."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """A link or device."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


def zeros(size: int) -> bytes:
    """A tar.gz, a thousandth in size, of a model.onnx of so many zeros."""
    entry = tarfile.TarInfo("toy/model.onnx")
    entry.size = size
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as file:
        file.write(entry.tobuf())
        for _ in range(size // MIB):
            file.write(bytes(MIB))
        file.write(bytes(1024))
    return stream.getvalue()


MANIFEST = (tarfile.TarInfo("toy/manifest.json"), b"{}")
BOMBS: dict[str, Callable[[], bytes]] = {
    "outside": lambda: archive(MANIFEST, (tarfile.TarInfo("../../outside"), b"x")),
    "absolute": lambda: archive(MANIFEST, (tarfile.TarInfo("/tmp/outside"), b"x")),
    "symbolic link": lambda: archive(MANIFEST, special("toy/model.onnx", tarfile.SYMTYPE, "/etc/passwd")),
    "hard link": lambda: archive(MANIFEST, special("toy/model.onnx", tarfile.LNKTYPE, "/etc/passwd")),
    "device": lambda: archive(MANIFEST, special("toy/model.onnx", tarfile.CHRTYPE)),
    "pipe": lambda: archive(MANIFEST, special("toy/model.onnx", tarfile.FIFOTYPE)),
    "many files": lambda: archive(*((tarfile.TarInfo(f"toy/{i}"), b"") for i in range(20_000))),
    "deep": lambda: archive(MANIFEST, (tarfile.TarInfo("toy/" + "a/" * 400 + "x"), b"")),
    "zeros": lambda: zeros(256 * MIB),
    "twice compressed": lambda: gzip.compress(zeros(256 * MIB)),
    "cut short": lambda: archive(MANIFEST)[:-20],
    "no tar": lambda: gzip.compress(bytes(64 * MIB)),
}


@pytest.mark.parametrize("what", BOMBS)
def test_archives_that_are_traps(server: ServeProcess, what: str) -> None:
    before = resident(server.process.pid)
    content = BOMBS[what]()
    headers = {"content-encoding": "gzip", "content-type": "application/octet-stream"}
    ways: list[dict[str, Any]] = [
        {"url": f"{server.url}/upload?name=trap", "content": content, "headers": headers},
        {"url": f"{server.url}/api/models?name=trap", "files": {"file": ("trap.tar.gz", content)}},
    ]
    for way in ways:
        answer = httpx.post(**way, timeout=60)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["error"]
    assert httpx.get(f"{server.url}/api/models/trap").status_code == 404
    assert peak(server.process.pid) < before + 256 * MIB
