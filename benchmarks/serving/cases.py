"""What is measured: each kind of request, on which servers, with how many connections."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import grpc as rpc
import numpy as np
import orjson
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from benchmarks.serving import bodies
from benchmarks.serving.bodies import GRPC_METHOD, Body
from benchmarks.serving.load import Measured, grpc_load, http_load
from benchmarks.serving.servers import BEFORE, OURS, Server

__all__ = ["Case", "cases"]

INFER = "/v2/models/network/infer"
TOLERANCE = 1e-5
FRAME = 5
TWO = (f"{OURS}, 2 processes",)
MLSERVER = ("MLServer", "MLServer + httptools")
TRITON = ("Triton", "Triton, 2 instances")


@dataclass
class Case:
    """One kind of request.

    Attributes:
        key: its name in the program.
        text: its name for people.
        body: the requests.
        path: of HTTP; "": gRPC.
        connections, streams: at a time; streams on each connection of gRPC.
        others: servers beside ours in one process that can be asked the same.
    """

    key: str
    text: str
    body: Body
    path: str
    connections: int
    streams: int = 1
    others: tuple[str, ...] = ()
    _answers: dict[str, int] = field(default_factory=dict)

    def asks(self, name: str) -> bool:
        """Tell whether a server can be asked this; another checkout of ours as this one."""
        return name.replace(BEFORE, OURS) in (OURS, *self.others)

    def check(self, server: Server) -> None:
        """Ask once, and compare with ONNX Runtime; ends with a message if the answer is another."""
        found = self._http(server) if self.path else self._grpc(server)
        if not np.allclose(found, self.body.expected, rtol=0, atol=TOLERANCE):
            msg = f"{server.name}, {self.text}: a wrong answer, {found[:3]} instead of {self.body.expected}"
            raise SystemExit(msg)

    def run(self, server: Server, seconds: float) -> Measured:
        """Load the server for this long."""
        before = server.processor
        found = self._load(server, seconds)
        return replace(found, processor=server.processor - before)

    def _load(self, server: Server, seconds: float) -> Measured:
        if self.path:
            return http_load(server.url(self.path), self.body, self.connections, seconds)
        return grpc_load(server.grpc, self.body, self._answers[server.name], self.connections, self.streams, seconds)

    def _http(self, server: Server) -> NDArray[np.float32]:
        request = urllib.request.Request(server.url(self.path), self.body.contents[0], self.body.headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content, length = answer.read(), answer.headers.get("Inference-Header-Content-Length")
        if length is not None:
            return np.frombuffer(content[int(length) :], np.float32)
        document = orjson.loads(content)
        return np.array(document if isinstance(document, list) else document["outputs"][0]["data"], np.float32).ravel()

    def _grpc(self, server: Server) -> NDArray[np.float32]:
        with rpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
            call: Callable[[bytes], bytes] = channel.unary_unary(GRPC_METHOD)
            message = call(self.body.contents[0][FRAME:])
        self._answers[server.name] = FRAME + len(message)
        answer = service_pb2.ModelInferResponse.FromString(message)
        if answer.raw_output_contents:
            return np.frombuffer(answer.raw_output_contents[0], np.float32)
        return np.array(answer.outputs[0].contents.fp32_contents, np.float32)


def cases() -> list[Case]:
    """All of them."""
    v2, keys = bodies.json_v2(), bodies.json_keys()
    rpc_one, rpc_batch = bodies.grpc(1), bodies.grpc(bodies.BATCH)
    everyone = (*TWO, *MLSERVER, *TRITON)
    rpc = (*TWO, "MLServer", *TRITON)
    return [
        Case("v2", "single rows, JSON of the Open Inference Protocol", v2, INFER, 64, others=everyone),
        Case("keys", "single rows, JSON keys and values (TFaaS)", keys, "/json", 64, others=TWO),
        Case("v2_200", "single rows, JSON of the Open Inference Protocol", v2, INFER, 200, others=MLSERVER),
        Case("keys_200", "single rows, JSON keys and values (TFaaS)", keys, "/json", 200),
        Case("events", "events with jagged branches, JSON keys and values", bodies.events("events"), "/json", 64),
        Case("variables", "the same with two computed variables", bodies.events("variables"), "/json", 64),
        Case("grpc", "single rows, gRPC", rpc_one, "", 16, 4, others=rpc),
        Case("batch", "batches of 4096 rows, binary HTTP", bodies.batch(), INFER, 4, others=(*TWO, *TRITON)),
        Case("batch_grpc", "batches of 4096 rows, gRPC", rpc_batch, "", 4, others=rpc),
    ]
