"""Folders and patterns: on every kind of server they stand for the files that they stand for on a local disk."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mlaas4hep.errors.reading import FolderError, MissingFileError
from mlaas4hep.streaming.remote.patterns import expand
from tests.support.bare_environment import bare_environment
from tests.support.cli import run
from tests.support.http_files import CONNECTIONS_LEFT
from tests.support.https_files import site
from tests.support.webhdfs import webhdfs_server
from tests.support.xrootd_servers import XRootD, hand_over, xrootd_folder

pytestmark = CONNECTIONS_LEFT
FILES = (
    "mc/2017/nano_1.csv",
    "mc/2017/nano_2.csv",
    "mc/2017/skim_1.csv",
    "mc/2018/nano_1.csv",
    "mc/2018/a b%20c.csv",
    "mc/2018/deep/er/nano_9.csv",
    "mc/2018/.hidden.csv",
    "mc/2018/_SUCCESS",
    "mc/2018/notes.txt",
    "mc/readme.md",
    "data/nano_1.csv",
)
PATTERNS = (
    "mc/*/nano_*.csv",
    "mc/2017/*.csv",
    "mc/20*/*",
    "*/*/nano_[12].csv",
    "mc/2018/a*",
    "**/nano_*.csv",
    "mc/**/nano_9.csv",
    "*/nano_1.csv",
)
SERVERS = ("WebDAV", "pages", "WebHDFS", "XRootD")


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, tuple[str, Path]]]:
    """By kind of server: where its files are, as URL and as local folder."""
    with ExitStack() as stack:
        root = stack.enter_context(xrootd_folder())
        store = root / "store"
        for number, name in enumerate(FILES):
            (store / name).parent.mkdir(parents=True, exist_ok=True)
            (store / name).write_text(f"x\n{number}\n{number + 0.5}\n")
        hand_over(root)
        xrootd = XRootD(root)
        stack.callback(xrootd.kill)
        webdav, pages = (stack.enter_context(site(store)) for _ in range(2))
        pages.webdav = False
        urls = {
            "WebDAV": webdav.url.replace("http:", "dav:"),
            "pages": pages.url,
            "WebHDFS": stack.enter_context(webhdfs_server(store)),
            "XRootD": f"{xrootd.url}//store",
        }
        yield {kind: (f"{url}/", store) for kind, url in urls.items()}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare_environment(monkeypatch, tmp_path)


def names(found: list[str], base: str) -> list[str]:
    """Without where they are, and as they are called."""
    escaped = base.startswith(("http", "dav"))
    assert all(name.startswith(base) for name in found)
    plain = [name[len(base) :] for name in found]
    return sorted(name.replace("%20", " ").replace("%25", "%") if escaped else name for name in plain)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_stands_for_the_same_files_everywhere(
    places: dict[str, tuple[str, Path]], server: str, pattern: str
) -> None:
    url, folder = places[server]
    wanted = sorted(
        str(Path(found).relative_to(folder))
        for found in glob.glob(str(folder / pattern), recursive=True)  # noqa: PTH207 - the pattern's usual meaning
        if Path(found).is_file()
    )
    assert wanted
    assert names(expand(url + pattern), url) == wanted
    assert names(expand(str(folder / pattern)), f"{folder}/") == wanted


@pytest.mark.parametrize("server", SERVERS)
def test_a_folder_stands_for_its_data_files(places: dict[str, tuple[str, Path]], server: str) -> None:
    url, folder = places[server]
    for base in (url, f"{folder}/"):
        assert names(expand(f"{base}mc/2018/"), base) == [
            "mc/2018/a b%20c.csv",
            "mc/2018/nano_1.csv",
        ]
        forced = names(expand(f"{base}mc/2018/", "csv"), base)
        assert forced == ["mc/2018/a b%20c.csv", "mc/2018/nano_1.csv", "mc/2018/notes.txt"]
        with pytest.raises(FolderError, match="without a file of a known format"):
            expand(f"{base}mc/")
        with pytest.raises(MissingFileError, match="no file matches this pattern"):
            expand(f"{base}mc/*/none_*.csv")


@pytest.mark.parametrize("server", SERVERS)
def test_a_folder_that_is_not_there(places: dict[str, tuple[str, Path]], server: str) -> None:
    url, _ = places[server]
    with pytest.raises(MissingFileError):
        expand(f"{url}none/*.csv")


@pytest.mark.parametrize(
    "location", ["root://host//store/a.root?x=*", "https://h/a?b[1]", "/data/a.root", "s3://b/a b"]
)
def test_what_is_no_pattern(location: str) -> None:
    assert expand(location) == [location]


@pytest.mark.parametrize("server", SERVERS)
def test_a_command_reads_all_files_of_a_pattern(
    places: dict[str, tuple[str, Path]], server: str, tmp_path: Path
) -> None:
    url, folder = places[server]
    texts = []
    for number, base in enumerate((url, f"{folder}/")):
        output = tmp_path / f"{number}.json"
        done = run("specs", f"{base}mc/*/nano_*.csv", "-o", output)
        assert done.code == 0, done.err
        texts.append(output.read_text().replace(base, ""))
    assert texts[0] == texts[1]
