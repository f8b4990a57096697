"""Forms and files go to disk as they come."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlaas4hep.inference.rest.forms import receive_form, staging
from mlaas4hep.web.errors import Failures

LIMIT = 4 * 2**20
KIND = "multipart/form-data; boundary=XX"


def send(folder: Path, **options: Any) -> httpx.Response:
    """Post a form to a route that answers what it got; afterwards nothing may be left in the folder."""

    async def show(request: Request) -> Response:
        async with receive_form(request, folder, LIMIT) as form:
            files = {name: path.read_bytes().decode("latin-1") for name, path in form.files.items()}
            texts = {name: form.text(name) for name in form.fields}
            return JSONResponse({"fields": texts, "files": files, "names": form.names})

    async def call() -> httpx.Response:
        app = Starlette(routes=[Route("/", show, methods=["POST"])], middleware=[Middleware(Failures)])
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/", **options)

    answer = asyncio.run(call())
    assert list(folder.iterdir()) == []
    return answer


def raw(*parts: bytes, end: bytes = b"--XX--\r\n") -> dict[str, Any]:
    """A form, written by hand."""
    return {
        "content": b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + end,
        "headers": {"content-type": KIND},
    }


def test_fields_and_files_come_as_they_were_sent(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    answer = send(tmp_path, data={"name": "Zürich", "empty": ""}, files={"model": ("m.onnx", content)})
    assert answer.json() == {
        "fields": {"name": "Zürich", "empty": ""},
        "files": {"model": content.decode("latin-1")},
        "names": {"model": "m.onnx"},
    }


@given(st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=300), min_size=1))
def test_any_content_comes_through(content: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        found = send(Path(place), files={name: ("f", data) for name, data in content.items()}).json()["files"]
    assert found == {name: data.decode("latin-1") for name, data in content.items()}


def test_a_urlencoded_form_has_fields(tmp_path: Path) -> None:
    assert send(tmp_path, data={"model": "a b&c"}).json()["fields"] == {"model": "a b&c"}


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\models\\m.h5", "m.h5"),
        (".hidden", "hidden"),
        ("..", "file"),
        ("a b;c.pb", "a_b_c.pb"),
        ("x" * 500 + ".pt", "x" * 197 + ".pt"),
    ],
)
def test_names_of_files_are_made_plain(tmp_path: Path, given_name: str, kept: str) -> None:
    assert send(tmp_path, files={"model": (given_name, b"x")}).json()["names"] == {"model": kept}


def test_base64_of_a_part_is_decoded_whatever_its_lines(tmp_path: Path) -> None:
    content = bytes(range(256)) * 3000
    for text in (base64.b64encode(content), base64.encodebytes(content)):
        part = ("m", text, "application/octet-stream", {"Content-Encoding": "base64"})
        assert send(tmp_path, files={"model": part}).json()["files"] == {"model": content.decode("latin-1")}


@pytest.mark.parametrize(("text", "says"), [(b"QUJD*", "truncated"), (b"QU*D", "damaged"), (b"QUJDR", "truncated")])
def test_damaged_base64_is_refused(tmp_path: Path, text: bytes, says: str) -> None:
    part = ("m", text, "application/octet-stream", {"Content-Encoding": "base64"})
    answer = send(tmp_path, files={"model": part})
    assert answer.status_code == 400
    assert f"the base64 of a file is {says}" in answer.json()["error"]


FILE = b'Content-Disposition: form-data; name="model"; filename="m"\r\n\r\nx'


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ({"content": b"x"}, 415, "the body must be a form"),
        ({"content": b"x", "headers": {"content-type": "application/json"}}, 415, "the body must be a form"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "the form has no boundary"),
        ({"content": b"x", "headers": {"content-type": f"{KIND}{'X' * 300}"}}, 400, "the form is damaged"),
        ({"content": b"x", "headers": {"content-type": KIND}}, 400, "the form is damaged"),
        ({"content": b"", "headers": {"content-type": KIND}}, 400, "the form is truncated"),
        (raw(FILE, end=b""), 400, "the form is truncated"),
        (raw(b"Content-Disposition: form-data\r\n\r\nx"), 400, "a part of the form has no name"),
        (raw(FILE, FILE), 400, "the form holds the file model twice"),
        (raw(b"A: " + b"x" * 100_000 + b"\r\n\r\n"), 400, "the form is damaged"),
        (raw(*[b'Content-Disposition: form-data; name="a"\r\n\r\nx'] * 1001), 413, "more than 1000 parts"),
        (
            raw(b'Content-Disposition: form-data; name="a"\r\n\r\n' + bytes(2**20 + 1)),
            413,
            "the field a is larger than",
        ),
        (raw(FILE + bytes(LIMIT)), 413, f"the body is larger than {LIMIT} bytes"),
        ({"content": b"a=b&" * 2000, "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400, "damaged"),
        ({"content": b"\xff=b", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400, "damaged"),
    ],
    ids=range(15),
)
def test_broken_forms_are_refused(tmp_path: Path, options: dict[str, Any], status: int, says: str) -> None:
    answer = send(tmp_path, **options)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]


def test_staging_leaves_nothing_behind(tmp_path: Path) -> None:
    with staging(tmp_path) as place:
        (place / "deeper").mkdir()
        (place / "deeper" / "file").write_bytes(b"x")
        assert place.name.startswith(".")
    assert list(tmp_path.iterdir()) == []
