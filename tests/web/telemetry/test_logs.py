"""Lines of the log, request ids, and what is logged at all."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.telemetry.logs import REQUEST_ID, JsonLines, LogWriter, TextLines, start_logs
from tests.support.serve_process import ServeProcess

Start = Callable[..., ServeProcess]
BODY = b'{"model": "scorer", "rows": [[1.0, 2.0, 3.0]]}'


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("a.test")
    yield made
    for handler in made.handlers:
        handler.close()


def attach(logger: logging.Logger, file: Path, formatter: logging.Formatter) -> LogWriter:
    writer = LogWriter(file)
    writer.setFormatter(formatter)
    logger.addHandler(writer)
    return writer


def test_json_lines(logger: logging.Logger, tmp_path: Path) -> None:
    writer = attach(logger, tmp_path / "log", JsonLines())
    token = REQUEST_ID.set("abc-1")
    logger.warning("a %s\nb", "\udc80", extra={"fields": {"path": "/x\ud800", "status": 404}})
    REQUEST_ID.reset(token)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logger.exception("failed")
    writer.close()
    first, second = (json.loads(line) for line in (tmp_path / "log").read_text().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "warning",
        "logger": "a.test",
        "message": "a ?\nb",
        "request": "abc-1",
        "path": "/x?",
        "status": 404,
    }
    assert "request" not in second
    assert second["traceback"].startswith("Traceback")


def test_text_lines_cannot_be_forged(logger: logging.Logger, tmp_path: Path) -> None:
    writer = attach(logger, tmp_path / "log", TextLines())
    logger.info("request", extra={"fields": {"path": "/a\n2026 info all is well\x1b[31m", "subject": ""}})
    writer.close()
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.endswith(r"info request path=/a\n2026 info all is well\x1b[31m")


def test_reopening(logger: logging.Logger, tmp_path: Path) -> None:
    writer = attach(logger, tmp_path / "log", JsonLines())
    logger.info("one")
    writer.close()
    writer = attach(logger, tmp_path / "log", JsonLines())
    logger.handlers = [writer]
    (tmp_path / "log").rename(tmp_path / "old")
    writer.reopen()
    logger.info("two")
    writer.close()
    assert [json.loads((tmp_path / name).read_text())["message"] for name in ("old", "log")] == ["one", "two"]


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none/log: the log cannot be written \(No such file or directory\)"):
        start_logs(Settings(log_file=tmp_path / "none" / "log"))


def test_failures_and_changes_are_logged_successes_are_not(start: Start) -> None:
    serving = start()
    with httpx.Client(base_url=serving.url) as client:
        assert client.post("/predict", content=BODY).status_code == 200
        assert client.get("/models").status_code == 200
        assert client.post("/predict", content=b"{", headers={"x-request-id": "mine.1"}).status_code == 400
        assert client.post("/v2/repository/models/scorer/load").status_code == 200
        assert client.get("/no%0Asuch?access_token=secret").status_code == 404
    serving.stop()
    found = [(line["method"], line["path"], line["status"]) for line in serving.lines("request")]
    assert found == [
        ("POST", "/predict", 400),
        ("POST", "/v2/repository/models/scorer/load", 200),
        ("GET", "/no\nsuch", 404),
    ]
    first = serving.lines("request")[0]
    assert (first["request"], first["client"]) == ("mine.1", "127.0.0.1")
    assert first["milliseconds"] > 0
    assert "secret" not in serving.log.read_text()


def test_a_damaged_form_is_logged_as_a_request_alone(start: Start) -> None:
    serving = start()
    form = b'--B\r\nContent-Disposition: form-data; name="model"\n\nx\n--B--\n'
    kind = {"content-type": "multipart/form-data; boundary=B"}
    for body in (form, form.replace(b"\r\n", b"\n"), form[:20]):
        assert httpx.post(f"{serving.url}/upload", content=body, headers=kind).status_code == 400
    serving.stop()  # and nothing stands in its standard error
    assert [line["status"] for line in serving.lines("request")] == [400, 400, 400]


def test_all_are_logged_if_wanted_as_text_too(start: Start) -> None:
    serving = start({"log_requests": 1.0, "log": "text"})
    with httpx.Client(base_url=serving.url) as client:
        assert client.post("/predict", content=BODY).status_code == 200
    serving.stop()
    assert re.search(r"info request client=127\.0\.0\.1 method=POST path=/predict status=200", serving.log.read_text())


def test_clients_behind_proxies_that_are_believed(start: Start) -> None:
    for proxies, client in ((["127.0.0.1"], "203.0.113.9"), ([], "127.0.0.1")):
        serving = start({"proxies": proxies})
        httpx.get(f"{serving.url}/nowhere", headers={"x-forwarded-for": "203.0.113.9"})
        serving.stop()
        assert serving.lines("request")[0]["client"] == client


def test_request_ids(start: Start) -> None:
    serving = start()
    with httpx.Client(base_url=serving.url) as client:
        assert client.get("/models", headers={"x-request-id": "A-1.b_2:c"}).headers["x-request-id"] == "A-1.b_2:c"
        made = [
            client.get("/models", headers={"x-request-id": bad}).headers["x-request-id"] for bad in ("a b", "x" * 129)
        ]
        made.append(client.get("/nowhere").headers["x-request-id"])
        assert len(set(made)) == 3
        assert all(re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", one) for one in made)
    serving.stop()
