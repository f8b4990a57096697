"""gRPC's connections over real sockets: heads that do not end, clients that stop, addresses, broken answers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlaas4hep.inference.grpc.frames import Frames
from mlaas4hep.web.http.framing import LARGEST
from mlaas4hep.web.http.write_stall import WriteStall
from tests.support.serve_process import ServeProcess, eventually

Start = Callable[..., ServeProcess]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, DATA, SETTINGS, CONTINUATION = 1, 0, 4, 9
POST = b"\x83\x86"
"""In HPACK: the method POST, the scheme http."""


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def literal(name: bytes, value: bytes) -> bytes:
    """A field in HPACK, without indexing."""
    assert len(name) < 127
    assert len(value) < 127
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


UNENDING = {
    "fields": (POST, literal(b"x-a", b"b" * 100) * 150),
    "one field": (POST + b"\0\x01x\x7f\x81\x80\x80\x05", b"a" * 16000),
    "indexed fields": (POST, b"\x82" * 16000),
    "nothing": (POST, b""),
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[ServeProcess]:
    """A server that these tests share."""
    made = ServeProcess(tmp_path_factory.mktemp("relay"), models)
    yield made
    made.stop()


def connect(serving: ServeProcess) -> socket.socket:
    host, port = serving.grpc.split(":")
    client = socket.create_connection((host, int(port)), 30)
    client.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
    return client


def connections(port: int) -> set[int]:
    """Our own ports of the connections to a server's port."""
    found = psutil.Process().net_connections("tcp")
    return {c.laddr.port for c in found if c.raddr and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED}


def closes(client: socket.socket) -> bool:
    """Read until the other side closes."""
    with contextlib.suppress(ConnectionError):
        while client.recv(2**16):
            pass
    return True


@pytest.mark.parametrize("kind", UNENDING)
def test_headers_that_do_not_end_take_no_memory(serving: ServeProcess, kind: str) -> None:
    begin, more = UNENDING[kind]
    process = psutil.Process(serving.process.pid)
    before = process.memory_info().rss
    clients = [connect(serving) for _ in range(24)]
    for client in clients:
        with contextlib.suppress(ConnectionError):
            client.sendall(frame(HEADERS, 0, 1, begin))
            for _ in range(9 * 2**20 // (len(more) + 9)):
                client.sendall(frame(CONTINUATION, 0, 1, more))
    assert all(closes(client) for client in clients)
    assert process.memory_info().rss - before < 40 * 2**20
    for client in clients:
        client.close()
    with httpx.Client(base_url=serving.url) as web:
        assert 'status="RESOURCE_EXHAUSTED"' in web.get("/metrics").text


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HT",
        PREFACE + b"\0\0",
        PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, 0, 1, POST),
        PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, 4, 1, POST)[:-1],
    ],
)
def test_what_is_left_unfinished_ends_the_connection(start: Start, sent: bytes) -> None:
    serving = start({"limits": {"read_timeout": 0.5}})
    host, port = serving.grpc.split(":")
    with socket.create_connection((host, int(port)), 30) as client:
        client.sendall(sent)
        assert closes(client)
    serving.stop()


def test_a_client_that_waits_between_its_calls_stays(start: Start) -> None:
    serving = start({"limits": {"read_timeout": 0.5}})
    with grpc.insecure_channel(serving.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
        host, port = serving.grpc.split(":")
        before = connections(int(port))
        assert len(before) == 1
        with socket.create_connection((host, int(port)), 30) as other:
            other.sendall(b"PRI")
            assert closes(other)  # so long
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
        assert connections(int(port)) == before
    serving.stop()


def test_the_log_and_the_limits_know_the_clients_address(start: Start) -> None:
    serving = start({"limits": {"rate": "1-H"}})
    with grpc.insecure_channel(serving.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        stub.ServerMetadata(service_pb2.ServerMetadataRequest())
        with pytest.raises(grpc.RpcError) as caught:
            stub.ServerMetadata(service_pb2.ServerMetadataRequest())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert eventually(lambda: [line["client"] for line in serving.lines("request")] == ["127.0.0.1"])
    serving.stop()


def test_an_answer_that_its_client_leaves_counts_as_cancelled(serving: ServeProcess) -> None:
    message = service_pb2.ModelInferRequest(
        model_name="scorer", raw_input_contents=[np.zeros((1, 3), np.float32).tobytes()]
    )
    message.inputs.add(name="features", datatype="FP32", shape=[1, 3])
    path = b"/inference.GRPCInferenceService/ModelInfer"
    head = POST + literal(b":path", path) + literal(b":authority", b"localhost")
    head += literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers")
    body = message.SerializeToString()
    body = b"\0" + struct.pack(">I", len(body)) + body
    none = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))  # not a byte of the answer is taken
    with httpx.Client(base_url=serving.url) as web, connect(serving) as client:
        client.sendall(none + frame(HEADERS, 4, 1, head) + frame(DATA, 1, 1, body))
        found: list[tuple[int, int, int]] = []
        frames = Frames(0, lambda *one: found.append(one))
        while (HEADERS, 4, 1) not in found:
            frames.feed(client.recv(2**16))
        client.close()
        cancelled = r'requests_total\{protocol="grpc",method="CALL",route="other",status="CANCELLED"\} 1\n'
        assert eventually(lambda: re.search(cancelled, web.get("/metrics").text))


@given(
    parts=st.lists(st.tuples(st.sampled_from([DATA, SETTINGS]), st.binary(max_size=40)), max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_frames_are_found_wherever_they_are_cut(parts: list[tuple[int, bytes]], cuts: list[int]) -> None:
    found: list[tuple[int, int, int]] = []
    frames = Frames(len(PREFACE), lambda *one: found.append(one))
    data = PREFACE + b"".join(frame(kind, 1, number, content) for number, (kind, content) in enumerate(parts))
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    for a, b in itertools.pairwise(places):
        assert frames.feed(data[a:b])
    assert found == [(kind, 1, number) for number, (kind, _) in enumerate(parts)]
    assert not frames.open


@given(sizes=st.lists(st.integers(0, 16384), min_size=1, max_size=12), ended=st.booleans())
def test_headers_may_have_64_kib_in_all(sizes: list[int], ended: bool) -> None:
    frames = Frames(0, lambda *_: None)
    total, good = 0, True
    for number, size in enumerate(sizes):
        last = ended and number == len(sizes) - 1
        total += size + 9
        good = good and frames.feed(frame(CONTINUATION if number else HEADERS, 4 if last else 0, 1, bytes(size)))
    assert good is (total <= LARGEST)
    if good:
        assert frames.open is not ended


def test_a_client_that_reads_nothing_is_dropped_and_one_that_reads_slowly_is_not() -> None:
    class Wire(asyncio.WriteTransport):
        left = 50 * 2**20

        def get_write_buffer_size(self) -> int:
            return self.left

    for step, late in ((2**20, False), (2**10, True), (0, True)):
        wire, unread, found = Wire(), WriteStall(), []
        assert not unread.late(1000.0, 30.0, wire)
        unread.begin(0.0, wire)
        for second in range(1, 41):
            wire.left -= step
            found.append(unread.late(float(second), 30.0, wire))
        assert any(found) is late
        unread.end()
        assert not unread.late(1000.0, 30.0, wire)


def test_the_inner_socket_is_in_a_folder_of_this_user_alone(serving: ServeProcess) -> None:
    """Whoever reached it would come past TLS and the limits, under any address."""
    names = Path("/proc/net/unix").read_text()
    inner = re.search(rf"\S*/mlaas4hep-grpc-\S+@{serving.process.pid}@\S+/grpc", names)
    assert inner is not None
    assert Path(inner[0]).parent.stat().st_mode & 0o077 == 0
