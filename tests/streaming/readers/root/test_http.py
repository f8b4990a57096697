"""ROOT files over HTTP, from a server that sends parts of files and from one that does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from mlaas4hep.config import Reading, Sample
from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.files import close_files, open_files
from mlaas4hep.streaming.readers import open_source
from tests.support.http_files import CONNECTIONS_LEFT, Quiet, served

pytestmark = CONNECTIONS_LEFT


class Whole(Quiet):
    """Sends the whole file whatever part is asked for."""


class Parts(Whole):
    """Sends the one part that is asked for."""

    def do_GET(self) -> None:
        """Answer a request with a range."""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if match is None or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        part = data[int(match[1]) : int(match[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {match[1]}-{int(match[1]) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


class Named(Parts):
    """Sends the file that a parameter of the URL names."""

    def translate_path(self, path: str) -> str:
        """The file of ``?key=``."""
        return str(Path(self.directory) / parse_qs(urlsplit(path).query)["key"][0])


@pytest.fixture(params=[Parts, Whole])
def url(request: pytest.FixtureRequest, pythia: Path) -> Iterator[str]:
    """A server of the example files."""
    with served(request.param, pythia) as host:
        yield f"http://{host}"


@pytest.mark.parametrize("url", [Parts], indirect=True)
def test_parts_of_a_remote_file(url: str, pythia: Path) -> None:
    remote = open_source(f"{url}/ttbar.root", "Events")
    local = open_source(str(pythia / "ttbar.root"), "Events")
    ours, theirs = (source.read(["MET_pt", "Jet_pt"], 100, 300) for source in (remote, local))
    np.testing.assert_array_equal(np.asarray(ours["MET_pt"]), np.asarray(theirs["MET_pt"]))
    assert ours["Jet_pt"].tolist() == theirs["Jet_pt"].tolist()
    remote.close()


@pytest.mark.parametrize("url", [Whole], indirect=True)
def test_server_that_ignores_ranges_is_refused(url: str) -> None:
    with pytest.raises(FileReadError) as caught:
        open_source(f"{url}/ttbar.root", "Events")
    what = "the server ignores requests for parts of a file; download the file"
    assert str(caught.value) == f"{url}/ttbar.root: {what}"


def test_missing_file(url: str) -> None:
    with pytest.raises(FileReadError, match=r"nothing\.root: no such file; check the path"):
        open_source(f"{url}/nothing.root", "Events")


@pytest.mark.parametrize("url", [Named], indirect=True)
def test_files_that_only_a_hidden_parameter_tells_apart_have_paths_of_their_own(url: str) -> None:
    names = [f"{url}/x.root?key={name}.root" for name in ("ttbar", "W_lnu")]
    for order in (names, names[::-1]):
        files = open_files([Sample(name="all", files=tuple(order))], "Events", Reading())
        assert [file.path for file in files] == [f"{url}/x.root?key=...", f"{url}/x.root?key=... (2)"]
        assert len({file.source.identity for file in files}) == 2
        close_files(files)
