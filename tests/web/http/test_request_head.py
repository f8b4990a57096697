"""Heads of requests over real sockets: one meaning or none, and no memory for what never ends."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.serve_process import ServeProcess

HOST = b"host: localhost\r\n"
GET = b"GET /health/live HTTP/1.1\r\n"
POST = b"POST /predict HTTP/1.1\r\n"
ROW = b'{"model": "scorer", "rows": [[0.1, 0.2, 0.3]]}'
SIZED = b"content-length: %d\r\n\r\n%b" % (len(ROW), ROW)
CHUNKED = b"transfer-encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROW), ROW)
CLOSE = b"connection: close\r\n"
LAST = GET + HOST + CLOSE + b"\r\n"
ENDLESS = 20 * 2**20


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[ServeProcess]:
    """A server that these tests share."""
    made = ServeProcess(tmp_path_factory.mktemp("heads"), models)
    yield made
    made.stop()


def answers(port: int, *parts: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer, read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(2**16):
                data += piece
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: ([0-9]+)", head)
        assert length, head
        size = int(length[1])
        found.append((int(head.split()[1]), data[:size]))
        data = data[size:]
    return found


REFUSED = {
    "no host": GET + b"\r\n",
    "two hosts": GET + HOST + HOST + b"\r\n",
    "an empty host": GET + b"host:\r\n\r\n",
    "a host that is none": GET + b"host: a/b\r\n\r\n",
    "two authorizations": GET + HOST + b"authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    "two origins": GET + HOST + b"origin: http://a\r\norigin: http://localhost\r\n\r\n",
    "two types": POST + HOST + b"content-type: a/b\r\ncontent-type: a/c\r\n" + SIZED,
    "two lengths": POST + HOST + b"content-length: 46\r\n" + SIZED,
    "other lengths": POST + HOST + b"content-length: 2\r\n" + SIZED,
    "a length with a sign": POST + HOST + b"content-length: +46\r\n\r\n" + ROW,
    "a list of lengths": POST + HOST + b"content-length: 46, 46\r\n\r\n" + ROW,
    "a length and chunks": POST + HOST + CHUNKED + SIZED,
    "chunks and a length": POST + HOST + b"content-length: 46\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "chunks twice": POST + HOST + CHUNKED + CHUNKED + b"\r\n" + CHUNKS,
    "gzip and chunks": POST + HOST + b"transfer-encoding: gzip, chunked\r\n\r\n" + CHUNKS,
    "another coding": POST + HOST + b"transfer-encoding: xchunked\r\n\r\n" + CHUNKS,
    "identity": POST + HOST + b"transfer-encoding: identity\r\n" + SIZED,
    "chunks in HTTP/1.0": b"POST /predict HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n" + CHUNKS,
    "a folded line": GET + HOST + b"x-a: b\r\n c\r\n\r\n",
    "a folded first line": GET + b" x: b\r\n" + HOST + b"\r\n",
    "a space before the colon": POST + HOST + b"content-length : 46\r\n\r\n" + ROW,
    "a null": GET + HOST + b"x: a\0b\r\n\r\n",
    "line feeds alone": b"GET /health/live HTTP/1.1\nhost: localhost\n\n",
    "a size that is none": POST + HOST + CHUNKED + b"\r\nzz\r\n\r\n",
    "a size with 0x": POST + HOST + CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a size below zero": POST + HOST + CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a size beyond 64 bits": POST + HOST + CHUNKED + b"\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer": POST + HOST + CHUNKED + b"\r\n2\r\n{}x\r\n0\r\n\r\n",
    "a whole URL": b"GET http://elsewhere/health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "a star": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /health/live#x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a letter beyond ASCII": b"GET /health/\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_a_request_with_two_meanings_is_refused_and_the_last_one(serving: ServeProcess, request_: bytes) -> None:
    behind = GET + HOST + b"\r\n"
    found = answers(serving.port, request_ + behind)
    assert [status for status, _ in found] == [400], found
    assert found[0][1].startswith(b'{"error":')


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_wherever_a_request_is_cut_the_answer_is_the_same(serving: ServeProcess, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(REFUSED)))
    first = GET + HOST + b"\r\n"
    whole = first + REFUSED[kind]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert [status for status, _ in answers(serving.port, *parts)] == [200, 400]


def test_what_is_refused_is_answered_after_the_requests_before_it(serving: ServeProcess) -> None:
    good = POST + HOST + CHUNKED + b"\r\n" + CHUNKS
    found = answers(serving.port, good + good + GET + b"\r\n" + good)
    assert [status for status, _ in found] == [200, 200, 400]


def test_a_request_that_offers_another_protocol_keeps_its_body(serving: ServeProcess) -> None:
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
    plain = answers(serving.port, POST + HOST + CLOSE + SIZED)
    for body in (SIZED, CHUNKED + b"\r\n" + CHUNKS):
        found = answers(serving.port, POST + HOST + offer + body + GET + HOST + offer + b"\r\n" + LAST)
        assert found[:1] == plain
        assert [status for status, _ in found] == [200, 200, 200]


@pytest.mark.parametrize("target", [b"localhost:80", b"/", b"/health/live"])
def test_connect_is_refused(serving: ServeProcess, target: bytes) -> None:
    found = answers(serving.port, GET + HOST + b"\r\n", b"CONNECT " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n" + LAST)
    assert [status for status, _ in found] == [200, 400]
    assert b"CONNECT" in found[1][1]


def test_fields_behind_the_chunks_change_nothing(serving: ServeProcess) -> None:
    trailer = CHUNKS[:-2] + b"content-encoding: gzip\r\nx: y\r\n\r\n"
    found = answers(serving.port, POST + HOST + CHUNKED + b"\r\n" + trailer + LAST)
    assert [status for status, _ in found] == [200, 200]


def test_a_head_of_64_kib_is_taken_and_one_byte_more_is_not(serving: ServeProcess) -> None:
    def head(size: int) -> bytes:
        counted = len(b"/health/live") + len(HOST + CLOSE)
        return GET + HOST + CLOSE + b"x: " + b"a" * (size - counted - 5) + b"\r\n\r\n"

    for size, status in ((2**16, 200), (2**16 + 1, 431)):
        whole = head(size)
        assert [found for found, _ in answers(serving.port, whole)] == [status]
        parts = [whole[i : i + 1000] for i in range(0, len(whole), 1000)]
        assert [found for found, _ in answers(serving.port, *parts)] == [status]
    assert [status for status, _ in answers(serving.port, GET + HOST + CLOSE + b"a: b\r\n" * 254 + b"\r\n")] == [200]
    assert [status for status, _ in answers(serving.port, GET + HOST + b"a: b\r\n" * 256 + b"\r\n")] == [431]


UNENDING = {
    "a header": (GET + HOST + b"x: ", b"a" * 2**16),
    "a name": (GET + HOST, b"a" * 2**16),
    "headers": (GET + HOST, b"x: aaaaaaaa\r\n" * 5000),
    "a request line": (b"GET /", b"a" * 2**16),
    "a trailer": (POST + HOST + CHUNKED + b"\r\n0\r\nx: ", b"a" * 2**16),
    "trailers": (POST + HOST + CHUNKED + b"\r\n0\r\n", b"x: aaaaaaaa\r\n" * 5000),
    "an extension": (POST + HOST + CHUNKED + b"\r\n2;x=", b"a" * 2**16),
    "extensions": (POST + HOST + CHUNKED + b"\r\n", (b"1;x=" + b"a" * 8192 + b"\r\n{\r\n") * 8),
}


@pytest.mark.parametrize("kind", UNENDING)
def test_a_head_that_does_not_end_is_refused_and_takes_no_memory(serving: ServeProcess, kind: str) -> None:
    begin, more = UNENDING[kind]
    process = psutil.Process(serving.process.pid)
    answers(serving.port, LAST)
    before = process.memory_info().rss

    def attack(_: int) -> list[int]:
        return [status for status, _ in answers(serving.port, begin, *[more] * (ENDLESS // len(more)))]

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(attack, range(40))) == [[431]] * 40
    assert process.memory_info().rss - before < 40 * 2**20
    with httpx.Client(base_url=serving.url) as client:
        assert client.get("/health/live").status_code == 200
        assert re.search(r'requests_total\{.*status="431"\}', client.get("/metrics").text)


def test_small_chunks_are_a_body_as_any_other(serving: ServeProcess) -> None:
    body = ROW + b" " * 200_000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    found = answers(serving.port, POST + HOST + CLOSE + CHUNKED + b"\r\n", chunks)
    assert found == answers(serving.port, POST + HOST + CLOSE + SIZED)


def test_requests_sent_far_ahead_of_their_answers_wait_outside(tmp_path: Path, models: Path) -> None:
    """Thousands of small requests on one connection: few are taken at a time, all are answered."""
    made = ServeProcess(tmp_path, models)
    try:
        process = psutil.Process(made.process.pid)
        shown = GET + HOST + b"\r\n"
        answers(made.port, shown * 2000 + LAST)
        before, peak, seen, many = process.memory_info().rss, 0, 0, 30_000
        with socket.create_connection(("127.0.0.1", made.port), 60) as client, ThreadPoolExecutor(1) as pool:
            sent = pool.submit(client.sendall, shown * many + LAST)
            tail = b""
            while piece := client.recv(2**16):
                data = tail + piece
                seen += data.count(b"HTTP/1.1 200")
                tail = data[-11:]
                peak = max(peak, process.memory_info().rss)
            sent.result()
        assert seen == many + 1
        assert peak - before < 40 * 2**20
    finally:
        made.stop()
