"""Failures of storage as classes: by the numbers of each protocol, whatever library hands them on."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import ssl
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors import FileReadError
from mlaas4hep.errors import reading as classes
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.remote.errors import XRootDError, read_error
from tests.support.http_files import CONNECTIONS_LEFT, Quiet, served

URL = "root://host//store/a.root"
KINDS = [getattr(classes, name) for name in classes.__all__]


def xrootd(code: int, number: int = 0) -> XRootDError:
    return XRootDError(SimpleNamespace(code=code, errno=number, message="[ERROR] Connection error timed out [3011]"))


@pytest.mark.parametrize(
    ("code", "number", "kind"),
    [
        (400, 3011, "not found"),
        (400, 3010, "permission denied"),
        (400, 3016, "folder"),
        (400, 3030, "authentication"),
        (400, 3019, "corrupt"),
        (400, 3007, "corrupt"),
        (400, 3024, "unreachable"),
        (101, 0, "unreachable"),
        (103, 0, "timed out"),
        (108, 0, "unreachable"),
        (110, 0, "authentication"),
        (204, 0, "authentication"),
        (206, 0, "timed out"),
        (306, 0, "unreachable"),
    ],
)
def test_numbers_of_xrootd_decide_and_not_the_words(code: int, number: int, kind: str) -> None:
    assert read_error(URL, xrootd(code, number)).kind == kind


def test_numbers_agree_with_the_clients_own_table() -> None:
    """The client names its codes; the table must mean the same ones."""
    responses = pytest.importorskip("XRootD.client.responses")
    status = responses.XRootDStatus
    kinds = {
        "errInvalidAddr": "unreachable",
        "errSocketTimeout": "timed out",
        "errConnectionError": "unreachable",
        "errTlsError": "authentication",
        "errLoginFailed": "authentication",
        "errAuthFailed": "authentication",
        "errOperationExpired": "timed out",
        "errRedirectLimit": "unreachable",
        "errInvalidRedirectURL": "unreachable",
        "errCheckSumError": "corrupt",
        "errNotFound": "not found",
    }
    found = {name: read_error(URL, xrootd(int(getattr(status, name)))).kind for name in kinds}
    assert found == kinds


def test_what_is_not_known_is_one_line_of_the_library() -> None:
    error = read_error(URL, OSError("something else\nover lines"))
    assert error.kind == "unreadable"
    assert str(error) == f"{URL}: cannot be read: something else"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, "not found"),
        (errno.EACCES, "permission denied"),
        (errno.EISDIR, "folder"),
        (errno.ETIMEDOUT, "timed out"),
        (errno.ECONNREFUSED, "unreachable"),
        (errno.ECONNRESET, "unreachable"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.EIO, "corrupt"),
    ],
)
def test_numbers_of_the_system(number: int, kind: str) -> None:
    assert read_error(URL, OSError(number, os.strerror(number))).kind == kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("http://host/a"), "not found"),
        (PermissionError("Access Denied"), "permission denied"),
        (TimeoutError(), "timed out"),
        (ConnectionError("who knows"), "unreachable"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "unreachable"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "authentication"),
        (ValueError("Cannot seek streaming HTTP file"), "no range requests"),
    ],
)
def test_classes_of_python(error: Exception, kind: str) -> None:
    assert read_error(URL, error).kind == kind


def test_an_unknown_host_does_not_heal_and_a_name_server_that_is_away_does() -> None:
    assert not read_error(URL, socket.gaierror(socket.EAI_NONAME, "not known")).may_heal
    assert read_error(URL, socket.gaierror(socket.EAI_AGAIN, "try again")).may_heal


def test_the_number_is_found_below_the_librarys_own_error() -> None:
    error = RuntimeError("worker failed")
    error.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    assert read_error(URL, error).kind == "unreachable"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NoSuchKey", "not found"),
        ("NoSuchBucket", "not found"),
        ("404", "not found"),
        ("AccessDenied", "permission denied"),
        ("403", "permission denied"),
        ("InvalidAccessKeyId", "authentication"),
        ("SlowDown", "unreachable"),
    ],
)
def test_codes_of_s3(code: str, kind: str) -> None:
    class ClientError(Exception):
        """As botocore's."""

        response: Any = {"Error": {"Code": code}}  # noqa: RUF012

    assert read_error("s3://bucket/a.root", ClientError("An error occurred")).kind == kind


class Answering(Quiet):
    """Answers every request with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[str]:
    """URL of the server, without a slash at its end."""
    handler: type[SimpleHTTPRequestHandler] = Answering
    with served(handler, tmp_path) as host:
        yield f"http://{host}"


STATUS = {401: "authentication", 403: "permission denied", 404: "not found", 410: "not found"}


@pytest.mark.parametrize("status", STATUS)
@pytest.mark.parametrize("name", ["a.root", "a.csv"])
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_status_of_http_for_all_formats(answering: str, status: int, name: str) -> None:
    with pytest.raises(FileReadError) as caught:
        open_source(f"{answering}/{status}/{name}", None)
    assert caught.value.kind == STATUS[status]
    assert str(caught.value).startswith(f"{answering}/{status}/{name}: ")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_out_of_order_may_heal(answering: str, status: int) -> None:
    answer = httpx.get(f"{answering}/{status}/a")
    with pytest.raises(httpx.HTTPStatusError) as caught:
        answer.raise_for_status()
    assert read_error(f"{answering}/a", caught.value).may_heal


@given(st.sampled_from(KINDS), st.text(min_size=1), st.booleans())
def test_each_class_says_where_what_and_what_to_do_and_can_be_pickled(
    kind: type[FileReadError], where: str, usual: bool
) -> None:
    error = kind("" if usual else "words of its own", where=where)
    assert error.what
    assert error.hint
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert "\n" not in str(error)


def test_kinds_are_all_different() -> None:
    assert len({kind.kind for kind in KINDS}) == len(KINDS)


pytestmark = CONNECTIONS_LEFT


def test_a_scheme_that_nothing_knows() -> None:
    error = read_error("foo://host/x.root", ValueError("Protocol not known: foo"))
    assert error.what == "the scheme of the URL is unknown"
    assert "root" in str(error.hint)
