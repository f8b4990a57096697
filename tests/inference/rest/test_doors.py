"""What every door has to say alike: no events, values by position, numbers that a form cannot hold."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.client import ModelClient
from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.events.tensors import RowForm
from mlaas4hep.inference.rest.tfaas.messages import DataFrame, Predictions, Row
from tests.support.live import Live
from tests.support.running import Running
from tests.support.trained import Small


def example(served: Live) -> dict[str, Any]:
    found: dict[str, Any] = served.client.get("/api/models/small/metadata").json()["example"]
    return found


def test_no_events_are_no_scores_in_every_form(served: Live) -> None:
    branches = example(served)["keys"]
    event = dict(zip(branches, example(served)["values"], strict=True))
    one = served.client.post("/predict", json={"model": "small", "events": [event]})
    bodies: list[dict[str, Any]] = [{"events": []}, {"rows": []}, {"columns": {name: [] for name in branches}}]
    for body in bodies:
        for path in ("/json", "/predict", "/predict/json"):
            answer = served.client.post(path, json={"model": "small", **body})
            assert answer.status_code == 200, answer.text
            assert answer.json() == {**one.json(), "scores": []}
    for content in (b"", DataFrame().SerializeToString()):
        answer = served.client.post("/proto", content=content)
        assert (answer.status_code, answer.content) == (200, Predictions().SerializeToString())


@pytest.mark.parametrize("kind", ["root", "parquet"])
def test_a_file_without_entries_is_a_file_without_scores(served: Live, small: Small, tmp_path: Path, kind: str) -> None:
    path = small.paths["signal"]
    with uproot.open(path) as file:
        name = next(key for key, value in file.classnames().items() if value in ("TTree", "ROOT::RNTuple"))
        arrays = file[name].arrays(library="ak")[:0]
    empty = tmp_path / "empty.root"
    with uproot.recreate(empty) as file:
        tree = file.mktree(name.split(";")[0], {field: arrays[field].type.content for field in arrays.fields})
        assert tree.num_entries == 0
    answer = served.client.post("/predict/root", content=empty.read_bytes(), params={"model": "small", "format": kind})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-entries"] == "0"
    if kind == "root":
        with uproot.open(io.BytesIO(answer.content)) as file:
            assert file["scores"].num_entries == 0


def test_no_rows_over_the_open_inference_protocol(oip: Running) -> None:
    nothing = np.empty((0, 3), np.float32)
    for module, url in ((tritonclient.http, oip.http), (tritonclient.grpc, oip.grpc)):
        for binary in (True, False) if module is tritonclient.http else (True,):
            tensor = module.InferInput("features", [0, 3], "FP32")
            if module is tritonclient.http:
                tensor.set_data_from_numpy(nothing, binary_data=binary)
                wanted = [module.InferRequestedOutput("scores", binary_data=binary)]
            else:
                tensor.set_data_from_numpy(nothing)
                wanted = [module.InferRequestedOutput("scores")]
            with module.InferenceServerClient(url) as client:
                found = client.infer("scorer", [tensor], outputs=wanted).as_numpy("scores")
            assert found is not None
            assert found.shape == (0, 2)


def test_the_client_gets_an_empty_matrix(served: Live) -> None:
    branches = example(served)["keys"]
    with ModelClient(served.url) as client:
        width = len(served.client.get("/api/models/small/metadata").json()["inputs"][0]["columns"])
        forms: list[Any] = [[], {name: [] for name in branches}, np.empty((0, width))]
        for events in forms:
            scores = client.predict(events, "small")
            assert scores.shape == (0, 1)
            assert scores.dtype == np.float32


def test_a_row_by_the_names_of_tfaas_messages(served: Live) -> None:
    given_ = example(served)
    expected = served.client.post("/json", json=given_).json()
    short = {"key": given_["keys"], "value": given_["values"], "name": "small"}
    mixed = {"keys": given_["keys"], "value": given_["values"], "name": "small", "model": "small"}
    for body in (short, mixed):
        answer = served.client.post("/json", json=body)
        assert (answer.status_code, answer.json()) == (200, expected), answer.text


def test_values_without_keys_go_by_position(served: Live) -> None:
    width = len(served.client.get("/api/models/small/metadata").json()["inputs"][0]["columns"])
    values = [0.5 * i for i in range(width)]
    (expected,) = served.client.post("/predict", json={"rows": [values]}).json()["scores"]
    for body in ({"values": values, "model": "small"}, {"value": values, "name": "small", "version": 1}):
        assert served.client.post("/json", json=body).json() == expected
    row = Row(value=values, model="small").SerializeToString()
    answer = served.client.post("/proto", content=row)
    assert [one.probability for one in Predictions.FromString(answer.content).prediction] == pytest.approx(expected)


def infer(oip: Running, datatype: str, data: list[Any], *, binary: bool) -> httpx.Response:
    tensor = {"name": "x", "shape": [len(data) // 2, 2], "datatype": datatype, "data": data}
    body = {"inputs": [tensor], "parameters": {"binary_data_output": binary}}
    return httpx.post(f"http://{oip.http}/v2/models/echo_{datatype}/infer", content=json.dumps(body))


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_infinity_is_kept_as_bytes_and_an_error_in_json(oip: Running, datatype: str) -> None:
    dtype = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}[datatype]
    data = [1.0, math.inf, -math.inf, math.nan]
    answer = infer(oip, datatype, data, binary=True)
    size = int(answer.headers["inference-header-content-length"])
    np.testing.assert_array_equal(np.frombuffer(answer.content[size:], dtype), np.array(data, dtype))
    answer = infer(oip, datatype, data, binary=False)
    assert answer.status_code == 400
    assert "the answer holds infinity, for which JSON has no form" in answer.json()["error"]
    answer = infer(oip, datatype, [1.0, math.nan], binary=False)
    assert answer.json()["outputs"][0]["data"] == [1.0, None]


FLOATS = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    datatype=st.sampled_from(sorted(FLOATS)),
    data=st.lists(st.integers(-(10**40), 10**40) | st.floats(allow_nan=False), min_size=2, max_size=2),
)
def test_a_number_beyond_its_datatype_is_an_error_and_never_infinity(
    oip: Running, datatype: str, data: list[Any]
) -> None:
    with np.errstate(over="ignore"):
        expected = np.array([float(value) for value in data]).astype(FLOATS[datatype])
    overflow = any(math.isfinite(float(v)) and not math.isfinite(e) for v, e in zip(data, expected, strict=True))
    answer = infer(oip, datatype, data, binary=True)
    if overflow:
        assert answer.status_code == 400
        assert "is out of the range" in answer.json()["error"]
    else:
        size = int(answer.headers["inference-header-content-length"])
        np.testing.assert_array_equal(np.frombuffer(answer.content[size:], FLOATS[datatype]), expected)


@given(
    dtype=st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "uint64", "bool"]),
    value=st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-300, 300).map(float),
)
def test_a_row_reaches_the_model_as_it_was_given_or_not_at_all(dtype: str, value: float) -> None:
    form = RowForm([TensorSpec("x", dtype, (-1, 1))], [TensorSpec("y", "float32", (-1, 1))], batched=True)
    row = np.array([[value]], np.float32)
    try:
        (found,) = form.tensors(row)["x"]
    except BadRequestError:
        assert dtype not in ("float32", "float64")
        info = np.finfo(np.float16) if dtype == "float16" else None
        if info is not None:
            assert abs(value) > float(info.max)
        elif dtype != "bool":
            limits = np.iinfo(dtype)
            assert value != int(value) or not int(limits.min) <= int(value) <= int(limits.max)
        return
    if dtype == "float16":
        assert np.isfinite(found[0])
    else:
        assert float(found[0]) == float(row[0, 0])


def test_a_score_that_float32_cannot_hold_is_not_made_infinite() -> None:
    form = RowForm([TensorSpec("x", "float32", (-1, 1))], [TensorSpec("y", "float64", (-1, 1))], batched=True)
    with pytest.raises(BadRequestError, match="the output y holds a number that float32 cannot hold"):
        form.scores({"y": np.array([[1e300]])}, 1)
    assert form.scores({"y": np.array([[np.inf]])}, 1).tolist() == [[math.inf]]
