"""What servers say is in a folder: names as they are, and nothing that lies elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.streaming.remote.http import client as http_client
from mlaas4hep.streaming.remote.http.webdav import listing
from tests.support.https_files import Handler, Site, site

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1)
FINE = NAMES.filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    folder = tmp_path_factory.mktemp("webdav")
    with site(folder) as made:
        yield made, folder


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(FINE, min_size=1, max_size=4, unique=True))
def test_any_names_are_listed_and_can_be_read(server: tuple[Site, Path], names: list[str]) -> None:
    made, root = server
    folder = Path(tempfile.mkdtemp(dir=root))
    for name in names:
        (folder / name).write_bytes(name.encode())
    (folder / "inside").mkdir(exist_ok=True) if "inside" not in names else None
    found = listing(f"{made.url}/{folder.name}/")
    files = [entry for entry in found if entry["type"] == "file"]
    assert sorted(unquote(entry["name"].rsplit("/", 1)[1]) for entry in files) == sorted(names)
    for entry in files:
        assert entry["size"] == len(http_client.read(entry["name"], 0, 1000))
        assert http_client.read(entry["name"], 0, 1000).decode() == unquote(entry["name"].rsplit("/", 1)[1])


@pytest.mark.parametrize("webdav", [True, False])
def test_what_lies_elsewhere_is_left_out(server: tuple[Site, Path], webdav: bool) -> None:
    made, _ = server
    links = [
        "http://elsewhere.example/mc/a.csv",
        "/other/a.csv",
        "/mc/",
        "/mc",
        "/mc/..",
        "/mc/%2e%2e",
        "/mc/%2e",
        "/mc/deep/a.csv",
        "/mc/deep%2Fa.csv",
        "/mc/a.csv?order=name",
        "//elsewhere.example/mc/a.csv",
        "/mc/fine.csv",
        "relative.csv",
    ]

    def answer(handler: Handler) -> bool:
        if not webdav:
            if handler.command == "PROPFIND":
                handler.send_body(405, b"")
            else:
                page = "".join(f"<a href='{link}'>x</a>" for link in links)
                handler.send_body(200, page.encode(), content_type="text/html")
            return True
        entries = "".join(f"<D:response><D:href>{link}</D:href></D:response>" for link in links)
        handler.send_body(207, f"<D:multistatus xmlns:D='DAV:'>{entries}</D:multistatus>".encode())
        return True

    made.answer = answer
    names = [entry["name"] for entry in listing(f"{made.url}/mc")]
    made.answer = lambda _handler: False
    assert names == [f"{made.url}/mc/fine.csv", f"{made.url}/mc/relative.csv"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "is not plain XML"),
        (b"<a><b></a>", "is not XML"),
        (b"\xff\xfe", "is not XML"),
    ],
)
def test_answers_that_are_no_list(server: tuple[Site, Path], body: bytes, words: str) -> None:
    made, _ = server

    def answer(handler: Handler) -> bool:
        handler.send_body(207, body)
        return True

    made.answer = answer
    try:
        with pytest.raises(OSError, match=words):
            listing(f"{made.url}/mc")
    finally:
        made.answer = lambda _handler: False
