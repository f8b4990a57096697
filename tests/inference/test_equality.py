"""Train, serve, predict: for every kind of model, over every protocol, the scores that ``mlaas4hep predict`` gives."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlaas4hep.inference.rest.tfaas.messages import DataFrame, Predictions, Row
from tests.support.eleven import KINDS, RawEvent, Trained, train_all
from tests.support.serve_process import ServeProcess

TOLERANCE = 1e-6
JAGGED = ("Lepton_", "Jet_")
LONGEST = 9


@dataclass(frozen=True)
class Served:
    """A server with all models, and what they must answer."""

    trained: Trained
    server: ServeProcess

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> bytes:
        """The answer to plain bytes, or to an object as JSON: what curl does."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.server.url}{path}", data, headers or {})
        with urllib.request.urlopen(request, timeout=60) as response:
            return bytes(response.read())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, pythia: Path) -> Iterator[Served]:
    """All kinds trained, and uploaded to a server of their own."""
    folder = tmp_path_factory.mktemp("eleven")
    trained = train_all(folder, pythia)
    (folder / "repository").mkdir()
    server = ServeProcess(folder / "serve", folder / "repository", {"limits": {"loaded": len(KINDS)}})
    made = Served(trained, server)
    for bundle in trained.bundles.values():
        made.post("/upload", bundle.read_bytes(), {"content-type": "application/octet-stream"})
    yield made
    server.stop()


def one_by_one(served: Served, kind: str) -> list[float]:
    """TFaaS's call, keys in their order."""
    return [_row(served, kind, list(event.items())) for event in served.trained.events]


def _row(served: Served, kind: str, pairs: list[tuple[str, Any]]) -> float:
    body = {"keys": [key for key, _ in pairs], "values": [value for _, value in pairs], "model": kind}
    [score] = json.loads(served.post("/json", body))
    return float(score)


def shuffled(served: Served, kind: str) -> list[float]:
    """Every event with its keys in another order."""
    order = random.Random(kind)
    scores = []
    for event in served.trained.events:
        pairs = list(event.items())
        order.shuffle(pairs)
        scores.append(_row(served, kind, pairs))
    return scores


def records(served: Served, kind: str) -> Any:
    """All events in one request, keys in another order in each."""
    order = random.Random(kind)
    events = [dict(order.sample(list(event.items()), len(event))) for event in served.trained.events]
    answer = json.loads(served.post("/predict", {"events": events, "model": kind}))
    assert (answer["classes"], answer["model"]) == (["signal"], kind)
    return np.array(answer["scores"])[:, 0]


def columns(served: Served, kind: str) -> Any:
    """All events in one request, one list a branch, the last branch first."""
    events = served.trained.events
    given = {name: [event[name] for event in events] for name in reversed(events[0])}
    return np.array(json.loads(served.post("/predict/json", {"columns": given, "model": kind}))["scores"])[:, 0]


def protobuf(served: Served, kind: str) -> list[float]:
    """One message an event, keys in another order."""
    order = random.Random(kind)
    return [_proto(served, _message(event, kind, order))[0] for event in served.trained.events]


def protobuf_frame(served: Served, kind: str) -> list[float]:
    """All events in one message."""
    frame = DataFrame(row=[_message(event, kind, random.Random(1)) for event in served.trained.events])
    return _proto(served, frame)


def _message(event: RawEvent, kind: str, order: random.Random) -> Any:
    pairs: list[tuple[str, Any]] = []
    for name, value in event.items():
        if isinstance(value, list):
            pairs += [(f"{name}[{index}]", entry) for index, entry in enumerate(value or [None])]
        else:
            pairs.append((name, value))
    order.shuffle(pairs)
    values = [np.nan if value is None else value for _, value in pairs]
    return Row(key=[key for key, _ in pairs], value=values, model=kind)


def _proto(served: Served, message: Any) -> list[float]:
    answer = Predictions.FromString(
        served.post("/proto", message.SerializeToString(), {"content-type": "application/x-protobuf"})
    )
    assert {found.label for found in answer.prediction} == {"signal"}
    return [found.probability for found in answer.prediction]


def _tensors(events: list[RawEvent], seed: str) -> dict[str, NDArray[np.float32]]:
    """Branches as tensors, jagged ones padded with NaN, in another order."""
    names = random.Random(seed).sample(list(events[0]), len(events[0]))
    tensors = {}
    for name in names:
        if name.startswith(JAGGED):
            tensor = np.full((len(events), LONGEST), np.nan, np.float32)
            for index, event in enumerate(events):
                tensor[index, : len(event[name])] = np.array(event[name], np.float32)
        else:
            tensor = np.array([event[name] for event in events], np.float32)
        tensors[name] = tensor
    return tensors


def rest_json(served: Served, kind: str) -> Any:
    """Open Inference Protocol in JSON alone, without a client library; null is a missing value."""
    inputs = [
        {
            "name": name,
            "shape": list(tensor.shape),
            "datatype": "FP32",
            "data": [None if value != value else value for value in tensor.ravel().tolist()],  # noqa: PLR0124
        }
        for name, tensor in _tensors(served.trained.events, kind).items()
    ]
    [output] = json.loads(served.post(f"/v2/models/{kind}/infer", {"inputs": inputs}))["outputs"]
    assert (output["name"], output["shape"]) == ("scores", [len(served.trained.events), 1])
    return output["data"]


def rest_binary(served: Served, kind: str) -> Any:
    """The same by Triton's client, with tensors as bytes."""
    with triton_http.InferenceServerClient(served.server.url.removeprefix("http://")) as client:
        return _triton(triton_http, client, served.trained.events, kind)


def grpc_raw(served: Served, kind: str) -> Any:
    """Triton's client over gRPC."""
    with triton_grpc.InferenceServerClient(served.server.grpc) as client:
        return _triton(triton_grpc, client, served.trained.events, kind)


def grpc_single(served: Served, kind: str) -> list[float]:
    """One event a call, over gRPC."""
    with triton_grpc.InferenceServerClient(served.server.grpc) as client:
        return [float(_triton(triton_grpc, client, [event], kind)[0]) for event in served.trained.events]


def _triton(module: Any, client: Any, events: list[RawEvent], kind: str) -> Any:
    inputs = []
    for name, tensor in _tensors(events, kind).items():
        inputs.append(module.InferInput(name, list(tensor.shape), "FP32"))
        inputs[-1].set_data_from_numpy(tensor)
    return client.infer(kind, inputs).as_numpy("scores")[:, 0]


def grpc_typed(served: Served, kind: str) -> Any:
    """Values in the message's own lists instead of bytes, as simple clients send them."""
    import grpc

    request = service_pb2.ModelInferRequest(model_name=kind)
    for name, tensor in _tensors(served.trained.events, kind).items():
        given = request.inputs.add(name=name, datatype="FP32", shape=tensor.shape)
        given.contents.fp32_contents.extend(tensor.ravel().tolist())
    with grpc.insecure_channel(served.server.grpc) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60)
    return np.frombuffer(answer.raw_output_contents[0], np.float32)


WAYS = (
    one_by_one,
    shuffled,
    records,
    columns,
    protobuf,
    protobuf_frame,
    rest_json,
    rest_binary,
    grpc_raw,
    grpc_single,
    grpc_typed,
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_served_scores_are_those_of_predict(served: Served, way: Callable[[Served, str], Any], kind: str) -> None:
    """Both score every event, also those that the cuts of the training remove."""
    expected = served.trained.expected[kind]
    found = np.array(way(served, kind))
    assert np.isfinite(found).all()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_the_events_are_a_test_of_something(served: Served) -> None:
    expected = served.trained.expected
    events = served.trained.events
    assert len(events) > 12
    assert max(len(event["Jet_pt"]) for event in events) == LONGEST
    assert min(len(event["Jet_pt"]) for event in events) == 0
    assert any(event["MET_pt"] is None for event in events)
    assert any(None in event["Jet_pt"] for event in events)
    assert all(len(np.unique(scores)) > 3 for scores in expected.values())
    assert len({scores.tobytes() for scores in expected.values()}) == len(KINDS)
