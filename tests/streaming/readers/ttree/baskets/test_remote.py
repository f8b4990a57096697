"""Baskets through a real XRootD server: one request for all, and the same columns as from the local file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.streaming.readers.uproot_reference import assert_same, direct, open_tree


class Server(Protocol):
    """What the fixture gives."""

    url: str
    folder: Path


def test_one_request_for_all_baskets(xrootd_server: Server, pythia: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(pythia / "ttbar.root", xrootd_server.folder / "baskets.root")
    remote = open_tree(f"{xrootd_server.url}//store/baskets.root")
    local = open_tree(pythia / "ttbar.root")
    names = list(local.branches)
    source = remote._object.file.source
    asked: list[int] = []
    chunks = source.chunks

    def counted(ranges: list[tuple[int, int]], **options: Any) -> Any:
        asked.append(len(ranges))
        return chunks(ranges, **options)

    monkeypatch.setattr(source, "chunks", counted)
    ours = direct(remote, names, 100, 700)
    assert asked == [len(names)]
    for name, column in direct(local, names, 100, 700).items():
        assert_same(ours[name], column)
    remote.close()
    local.close()
