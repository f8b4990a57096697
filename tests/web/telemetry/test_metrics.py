"""Counters and histograms against counts by hand, read with Prometheus' own parser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlaas4hep.inference.operation.measured import model_families
from mlaas4hep.web.telemetry.metrics import BUCKETS, Family, Histogram, Metrics, added, exposition
from mlaas4hep.web.telemetry.shared_counters import SharedCounters
from tests.support.serve_process import ServeProcess, eventually

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: bytes | str) -> Samples:
    """All samples, as Prometheus reads them."""
    text = text.decode() if isinstance(text, bytes) else text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@given(st.lists(st.floats(0, 100)))
def test_histograms(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    family = Family("a", "histogram", "A.")
    family.set(histogram, x='quote " backslash \\ line\nend')
    samples = parsed(exposition([family]))
    labels = {"x": 'quote " backslash \\ line\nend'}
    for bound in BUCKETS:
        assert sample(samples, "a_bucket", **labels, le=str(bound)) == np.sum(np.array(values) <= bound)
    assert sample(samples, "a_bucket", **labels, le="+Inf") == len(values)
    assert sample(samples, "a_count", **labels) == len(values) == histogram.count
    assert sample(samples, "a_sum", **labels) == pytest.approx(sum(values))


def test_what_requests_leave() -> None:
    metrics = Metrics()
    for status, seconds in (("200", 0.001), ("200", 0.003), ("400", 0.2)):
        metrics.request("http", "POST", "/predict", status, seconds)
    metrics.predicted("higgs", "1", 0.004)
    metrics.failed("higgs", "1", "BadRequestError")
    samples = parsed(exposition(metrics.families()))
    common = {"protocol": "http", "method": "POST", "route": "/predict"}
    assert sample(samples, "mlaas4hep_requests_total", **common, status="200") == 2
    assert sample(samples, "mlaas4hep_requests_total", **common, status="400") == 1
    seconds = sample(samples, "mlaas4hep_request_seconds_sum", protocol="http", route="/predict")
    assert seconds == pytest.approx(0.204)
    assert sample(samples, "mlaas4hep_prediction_seconds_count", model="higgs", version="1") == 1
    labels = {"model": "higgs", "version": "1", "error": "BadRequestError"}
    assert sample(samples, "mlaas4hep_prediction_failures_total", **labels) == 1


def test_sums_over_processes_never_fall(tmp_path: Path) -> None:
    a, b = Metrics(), Metrics()
    first, second = SharedCounters(a.families, tmp_path, "0"), SharedCounters(b.families, tmp_path, "1")
    a.request("http", "GET", "/models", "200", 0.01)
    b.request("http", "GET", "/models", "200", 0.01)
    first.publish()
    labels = {"protocol": "http", "method": "GET", "route": "/models", "status": "200"}

    def total(shares: SharedCounters) -> float:
        return sample(parsed(exposition(shares.all())), "mlaas4hep_requests_total", **labels)

    assert total(second) == 2
    c = Metrics()  # takes the place of the first, which died
    successor = SharedCounters(c.families, tmp_path, "0")
    assert total(successor) == 2
    c.request("http", "GET", "/models", "200", 0.01)
    assert (total(successor), total(second)) == (3, 3)
    (tmp_path / "metrics-1.json").write_text("{")
    assert total(successor) == 2


VALUES = st.lists(st.floats(0, 100), max_size=20)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_histograms_of_processes_add_up_and_gauges_stand_side_by_side(processes: list[list[float]]) -> None:
    groups = []
    for number, values in enumerate(processes):
        histogram = Histogram()
        for value in values:
            histogram.add(value)
        counted, gauge = Family("h", "histogram", "H."), Family("g", "gauge", "G.")
        counted.set(histogram, route="/")
        gauge.set(float(len(values)), worker=str(number))
        groups.append([Family.load(orjson.loads(orjson.dumps(one.dump()))) for one in (counted, gauge)])
    samples = parsed(exposition(added(groups)))
    everything = np.array([value for values in processes for value in values])
    for bound in BUCKETS:
        assert sample(samples, "h_bucket", route="/", le=str(bound)) == np.sum(everything <= bound)
    assert sample(samples, "h_sum", route="/") == pytest.approx(everything.sum())
    for number, values in enumerate(processes):
        assert sample(samples, "g", worker=str(number)) == len(values)


def test_batch_sizes_of_models() -> None:
    times = {"count": 3, "ns": 2_000_000_000}
    statistics = [
        {
            "name": "m",
            "version": "2",
            "inference_count": 70,
            "execution_count": 4,
            "inference_stats": {"success": {"count": 9, "ns": 1}, "fail": {"count": 1, "ns": 1}, "queue": times},
            "batch_stats": [
                {"batch_size": 1, "compute_infer": {"count": 1, "ns": 1}},
                {"batch_size": 23, "compute_infer": {"count": 3, "ns": 1}},
            ],
        }
    ]
    samples = parsed(exposition(model_families(statistics)))
    labels = {"model": "m", "version": "2"}
    assert sample(samples, "mlaas4hep_model_rows_total", **labels) == 70
    assert sample(samples, "mlaas4hep_model_seconds_total", **labels, part="queue") == 2.0
    assert sample(samples, "mlaas4hep_model_requests_total", **labels, outcome="fail") == 1
    assert sample(samples, "mlaas4hep_model_batch_rows_bucket", **labels, le="16.0") == 1
    assert sample(samples, "mlaas4hep_model_batch_rows_bucket", **labels, le="32.0") == 4
    assert sample(samples, "mlaas4hep_model_batch_rows_sum", **labels) == 70


def test_a_server_counts(start: Callable[..., ServeProcess]) -> None:
    serving = start()
    with httpx.Client(base_url=serving.url) as client:
        for _ in range(3):
            client.post("/predict", json={"model": "scorer", "rows": [[1, 2, 3], [4, 5, 6]]})
        client.post("/predict", json={"model": "scorer", "rows": [[1]]})
        client.post("/predict", json={"model": "nobody", "rows": [[1]]})
        for path in ("/some/where", "/v2/models/nobody/ready", "/v2/models/scorer/ready", "/a" * 500):
            client.get(path)
        with grpc.insecure_channel(serving.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            stub.ServerReady(service_pb2.ServerReadyRequest())
            with pytest.raises(grpc.RpcError):
                stub.ModelConfig(service_pb2.ModelConfigRequest(name="nobody"))
        # gRPC answers a failed call before it is over for the server.
        eventually(lambda: 'status="NOT_FOUND"' in client.get("/metrics").text)
        response = client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parsed(response.text)
    predict = {"protocol": "http", "method": "POST", "route": "/predict"}
    assert [sample(samples, "mlaas4hep_requests_total", **predict, status=s) for s in ("200", "400", "404")] == [
        3,
        1,
        1,
    ]
    assert sample(samples, "mlaas4hep_prediction_seconds_count", model="scorer", version="1") == 3
    failures = "mlaas4hep_prediction_failures_total"
    assert sample(samples, failures, model="scorer", version="1", error="BadRequestError") == 1
    assert sample(samples, failures, model="", version="", error="ModelNotFoundError") == 1
    assert sample(samples, "mlaas4hep_model_rows_total", model="scorer", version="1") >= 6
    assert sample(samples, "mlaas4hep_models", worker="0", state="READY") == 1
    gauges = {"worker": "0", "model": "scorer", "version": "1"}
    assert sample(samples, "mlaas4hep_model_inline_rows", **gauges) >= 0
    assert sample(samples, "mlaas4hep_model_waiting", **gauges) == 0
    calls = {"protocol": "grpc", "method": "CALL"}
    config = "/inference.GRPCInferenceService/ModelConfig"
    assert sample(samples, "mlaas4hep_requests_total", **calls, route=config, status="NOT_FOUND") == 1
    routes = set(re.findall(r'route="([^"]*)"', response.text))
    assert {"other", "/predict", "/v2/models/{model}/ready"} <= routes
    assert not any("some" in route or "/a/a" in route or "nobody" in route for route in routes)
    serving.stop()
