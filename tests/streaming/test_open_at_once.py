"""Remote files are opened several at a time, and nothing else depends on it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mlaas4hep.config import Reading, Sample
from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.files import close_files, open_files
from tests.support.https_files import Handler, site

NAMES = [f"{number}.csv" for number in range(12)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    for number, name in enumerate(NAMES):
        (made / name).write_text("x\n" + f"{number}\n" * (number + 1))
    return made


def test_a_server_that_answers_when_four_files_are_asked_for(folder: Path) -> None:
    """Opened one after the other, the first would never get its answer."""
    met, seen, lock = threading.Barrier(4), set[str](), threading.Lock()

    def answer(handler: Handler) -> bool:
        with lock:
            first = handler.path not in seen
            seen.add(handler.path)
        if first:
            met.wait(60)
        return False

    with site(folder) as server:
        server.answer = answer
        files = open_files(
            [Sample(name="s", files=tuple(f"{server.url}/{n}" for n in NAMES), label=1)], None, Reading()
        )
        assert {file.path: (file.index, file.source.entries) for file in files} == {
            f"{server.url}/{name}": (number, number + 1) for number, name in enumerate(NAMES)
        }
        close_files(files)


def test_the_error_is_that_of_the_first_file_that_fails(folder: Path) -> None:
    for name in (NAMES[3], NAMES[8]):
        (folder / name).unlink()
    with site(folder) as server:
        urls = tuple(f"{server.url}/{name}" for name in NAMES)
        for _ in range(5):
            with pytest.raises(FileReadError, match=f"{NAMES[3]}: no such file"):
                open_files([Sample(name="s", files=urls, label=1)], None, Reading())
