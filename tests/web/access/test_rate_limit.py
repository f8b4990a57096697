"""Rates by hand, and over real sockets: 429, 413, 408, 503."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlaas4hep.web.access.rate_limit import RateExceededError, RateLimit, client_key
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.serve_process import ServeProcess, eventually

Start = Callable[..., ServeProcess]


@given(
    number=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=200),
)
def test_never_more_than_a_burst_and_the_steady_rate(number: int, gaps: list[float]) -> None:
    rate, now, taken, begin = RateLimit(f"{number}-S"), 1000.0, 0, 1000.0
    for gap in gaps:
        now += gap
        taken += rate.take(b"a", now) == 0.0
    assert taken <= number + (now - begin) * number + 1e-6
    assert taken >= min(len(gaps), number)


def test_the_wait_is_told_and_is_enough() -> None:
    rate = RateLimit("2-M")
    assert [rate.take(b"a", 5.0), rate.take(b"a", 5.0)] == [0.0, 0.0]
    wait = rate.take(b"a", 5.0)
    assert wait == pytest.approx(30.0)
    assert rate.take(b"b", 5.0) == 0.0
    assert rate.take(b"a", 5.0 + wait) == 0.0
    assert rate.take(b"a", 5.0 + wait) > 0.0


def test_processes_share_the_table(tmp_path: Path) -> None:
    first, second = RateLimit("2-H", tmp_path / "rate"), RateLimit("2-H", tmp_path / "rate")
    first.count(b"a")
    second.count(b"a")
    with pytest.raises(RateExceededError, match=r"too many requests; try again in 1800 s"):
        first.count(b"a")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("unknown", "", False),
    ],
)
def test_clients(a: str, b: str, same: bool) -> None:
    assert (client_key(a) == client_key(b)) is same


def test_429_over_http_and_grpc(start: Start) -> None:
    serving = start({"limits": {"rate": "3-H"}})
    with httpx.Client(base_url=serving.url) as client:
        found = [client.get("/models").status_code for _ in range(4)]
        assert found == [200, 200, 200, 429]
        refused = client.post("/predict", json={})
        assert refused.json() == {"error": "too many requests; try again in 1200 s"}
        assert refused.headers["retry-after"] == "1200"
        assert client.get("/health/live").status_code == 200
    with grpc.insecure_channel(serving.grpc) as channel, pytest.raises(grpc.RpcError) as error:
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ServerMetadata(service_pb2.ServerMetadataRequest())
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    serving.stop()


def test_the_subject_of_a_token_is_limited_and_so_are_guesses(start: Start, issuer: Issuer) -> None:
    serving = start({"limits": {"rate": "2-H"}, "security": {"issuers": [issuer.url], "audience": [AUDIENCE]}})
    first, second = (f"Bearer {issuer.token('models.read')}" for _ in range(2))
    with httpx.Client(base_url=serving.url) as client:
        guesses = [client.get("/models", headers={"authorization": "Bearer x"}).status_code for _ in range(3)]
        assert guesses == [401, 401, 429]
        found = [client.get("/models", headers={"authorization": text}).status_code for text in (first, second, first)]
        assert found == [200, 200, 429]
    serving.stop()


def test_the_same_over_grpc(start: Start, issuer: Issuer) -> None:
    serving = start({"limits": {"rate": "2-H"}, "security": {"issuers": [issuer.url], "audience": [AUDIENCE]}})
    good = f"Bearer {issuer.token('models.read')}"
    with grpc.insecure_channel(serving.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

        def status(text: str) -> str:
            try:
                stub.ServerMetadata(service_pb2.ServerMetadataRequest(), metadata=[("authorization", text)])
            except grpc.RpcError as error:
                return str(error.code().name)
            return "OK"

        guesses = [status("Bearer x") for _ in range(3)]
        assert guesses == ["UNAUTHENTICATED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED"]
        assert [status(good) for _ in range(3)] == ["OK", "OK", "RESOURCE_EXHAUSTED"]
    serving.stop()


def exchange(port: int, *parts: bytes) -> bytes:
    """Send, and read until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        for part in parts:
            client.sendall(part)
        found = []
        while data := client.recv(65536):
            found.append(data)
    return b"".join(found)


def test_413_before_and_while_reading(start: Start) -> None:
    serving = start({"limits": {"body": 1000}})
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\n"
    announced = exchange(serving.port, head + b"content-length: 1000000000000\r\n\r\n")
    assert announced.startswith(b"HTTP/1.1 413")
    assert announced.endswith(b'{"error":"the body is larger than 1000 bytes"}')
    chunk = b"258\r\n" + b" " * 600 + b"\r\n"
    streamed = exchange(serving.port, head + b"transfer-encoding: chunked\r\n\r\n" + chunk, chunk)
    assert streamed.startswith(b"HTTP/1.1 413")
    unknown = exchange(serving.port, b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999\r\n\r\n")
    assert unknown.startswith(b"HTTP/1.1 413")
    with httpx.Client(base_url=serving.url) as client:
        assert 'route="/nowhere"' not in client.get("/metrics").text
    serving.stop()


def test_408_for_slow_heads_and_bodies(start: Start) -> None:
    serving = start({"limits": {"read_timeout": 0.5}})
    for sent in (
        b"",
        b"GET /models HTT",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    ):
        answer = exchange(serving.port, sent)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout"), (sent, answer)
        assert answer.endswith(b'{"error":"the request did not arrive in time"}')
    serving.stop()


def test_a_kept_connection_may_wait_longer_than_a_request(start: Start) -> None:
    serving = start({"limits": {"read_timeout": 1.5}})
    with httpx.Client(base_url=serving.url) as client:
        assert client.get("/health/live").status_code == 200
        assert exchange(serving.port, b"GET").startswith(b"HTTP/1.1 408")
        assert exchange(serving.port, b"GET").startswith(b"HTTP/1.1 408")
        assert client.get("/health/live").status_code == 200
        assert 'mlaas4hep_connections{worker="0"} 1' in client.get("/metrics").text
    serving.stop()


def test_a_client_that_does_not_read_its_answer_is_dropped(start: Start) -> None:
    serving = start({"limits": {"read_timeout": 3}})
    body = b'{"model": "scorer", "rows": [' + b",".join([b"[0.1, 0.2, 0.3]"] * 300_000) + b"]}"
    with socket.socket() as client, httpx.Client(base_url=serving.url) as other:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", serving.port))
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

        def connections() -> float:
            found = re.search(r'mlaas4hep_connections\{worker="0"\} (\d+)', other.get("/metrics").text)
            return int(found[1]) if found else 0

        assert connections() == 2
        assert eventually(lambda: connections() == 1)
        wanted = r'requests_total\{protocol="http",method="POST",route="/predict",status="499"\} 1'
        assert eventually(lambda: re.search(wanted, other.get("/metrics").text))
        assert 'route="/predict",status="200"' not in other.get("/metrics").text
    serving.stop()
    assert [line["status"] for line in serving.lines("request") if line["path"] == "/predict"] == [499]


def test_a_client_that_reads_slowly_gets_all_of_its_answer(start: Start) -> None:
    serving = start({"limits": {"read_timeout": 3}})
    body = b'{"model": "scorer", "rows": [' + b",".join([b"[0.1, 0.2, 0.3]"] * 600_000) + b"]}"
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", serving.port))
        client.sendall(head % len(body) + body)
        found = client.recv(65536)
        size = int(re.findall(rb"content-length: ([0-9]+)", found)[0]) + found.index(b"\r\n\r\n") + 4
        count, begin = len(found), time.monotonic()
        while data := client.recv(65536):
            count += len(data)
            if time.monotonic() - begin < 6 * count / size:  # about twice the limit in all
                time.sleep(0.02)
        assert count == size
    serving.stop()
    with_status = [line["status"] for line in serving.lines("request")]
    assert with_status == []


def test_503_for_one_connection_too_many(start: Start) -> None:
    serving = start({"limits": {"connections": 2}})
    with httpx.Client(base_url=serving.url) as a, httpx.Client(base_url=serving.url) as b:
        assert [a.get("/health/live").status_code, b.get("/health/live").status_code] == [200, 200]
        answer = exchange(serving.port)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1\r\n" in answer
        assert a.get("/health/live").status_code == 200
    serving.stop()
