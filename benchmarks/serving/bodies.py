"""The requests, each with the scores that it must be answered with, computed by ONNX Runtime alone."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import orjson
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from benchmarks.serving.models import FLAT, JAGGED, LENGTH, WIDTHS, network

__all__ = ["BATCH", "GRPC_METHOD", "Body", "batch", "events", "grpc", "json_keys", "json_v2"]

BATCH = 4096
MANY = 64
GRPC_METHOD = "/inference.GRPCInferenceService/ModelInfer"
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Body:
    """Requests of one kind.

    Attributes:
        contents: different bodies, sent in turn.
        headers: of HTTP.
        rows: in each.
        expected: scores of the first, [rows].
    """

    contents: tuple[bytes, ...]
    headers: dict[str, str]
    rows: int
    expected: Rows


def scores(rows: Rows) -> Rows:
    """The network's scores, [N]."""
    session = onnxruntime.InferenceSession(network().SerializeToString(), providers=["CPUExecutionProvider"])
    found: Rows = session.run(None, {"features": rows})[0][:, 0]
    return found


def _rows(number: int) -> Rows:
    return np.random.default_rng(2).uniform(-1, 1, (number, WIDTHS[0])).astype(np.float32)


def json_v2() -> Body:
    """One row as a tensor of the Open Inference Protocol."""
    rows = _rows(MANY)
    contents = [
        {"inputs": [{"name": "features", "shape": [1, len(row)], "datatype": "FP32", "data": row.tolist()}]}
        for row in rows
    ]
    return _json(contents, rows[:1])


def json_keys() -> Body:
    """One row as TFaaS's keys and values."""
    rows = _rows(MANY)
    keys = [f"var{index}" for index in range(WIDTHS[0])]
    return _json([{"keys": keys, "values": row.tolist(), "model": "network"} for row in rows], rows[:1])


def events(model: str) -> Body:
    """One event as keys and values: 10 (`variables`: 8) flat and 8 jagged branches of 0 to 6 values each."""
    rng = np.random.default_rng(3)
    flat = FLAT if model == "events" else FLAT[:-2]
    contents = []
    features = np.zeros((MANY, WIDTHS[0]), np.float32)
    for index in range(MANY):
        jets, leptons = rng.integers(0 if model == "events" else 1, 7, 2)
        event: dict[str, Any] = {name: float(np.float32(rng.uniform(0, 100))) for name in flat}
        for name in JAGGED:
            number = jets if name.startswith("Jet") else leptons
            event[name] = rng.uniform(0, 100, number).astype(np.float32).tolist()
        contents.append({"keys": list(event), "values": list(event.values()), "model": model})
        padded = [(event[name] + [np.nan] * LENGTH)[:LENGTH] for name in JAGGED]
        raw = np.array([*(event[name] for name in flat), *_variables(event, model), *np.ravel(padded)], np.float32)
        scaled = np.maximum(raw * np.float32(1 / 50), np.float32(-50))
        features[index] = np.where(np.isnan(raw), np.float32(-100), scaled)
    return _json(contents, features[:1])


def _variables(event: dict[str, Any], model: str) -> list[float]:
    if model == "events":
        return []
    lepton, jet = ({name: event[f"{thing}_{name}"][0] for name in ("pt", "eta", "phi")} for thing in ("Lepton", "Jet"))
    angle = lepton["phi"] - jet["phi"]
    return [
        float(np.sqrt(2 * lepton["pt"] * event["MET_pt"] * (1 - np.cos(lepton["phi"] - event["MET_phi"])))),
        float(np.hypot(lepton["eta"] - jet["eta"], np.arctan2(np.sin(angle), np.cos(angle)))),
    ]


def batch() -> Body:
    """4096 rows as bytes behind JSON, scores back as bytes."""
    rows = _rows(BATCH)
    size = rows.nbytes
    head = orjson.dumps(
        {
            "inputs": [
                {
                    "name": "features",
                    "shape": list(rows.shape),
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": size},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    )
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Body((head + rows.tobytes(),), headers, BATCH, scores(rows))


def grpc(number: int) -> Body:
    """Rows as raw contents of a ``ModelInferRequest``, in the frame that gRPC puts around a message."""
    rows = _rows(number)
    request = service_pb2.ModelInferRequest(model_name="network")
    request.inputs.add(name="features", datatype="FP32", shape=rows.shape)
    request.raw_input_contents.append(rows.tobytes())
    message = request.SerializeToString()
    return Body((struct.pack(">BI", 0, len(message)) + message,), {}, number, scores(rows))


def _json(contents: list[dict[str, Any]], first: Rows) -> Body:
    headers = {"Content-Type": "application/json"}
    return Body(tuple(orjson.dumps(content) for content in contents), headers, 1, scores(first))
