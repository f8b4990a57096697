"""Hostile clients and models: a real process answers each with a clear error, and goes on serving all others."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlaas4hep.inference.rest.tfaas.messages import DataFrame, Row
from mlaas4hep.inference.settings import Limits
from tests.support.attacks import flood, peak, resident, trickle
from tests.support.pressure import Pressure
from tests.support.serve_process import ServeProcess, eventually
from tests.support.table import table

GIGABYTE = 1 << 30
MIB = 1 << 20
MILLION = 1_000_000
BODY = Limits().body
UPLOAD = 32 * MIB
ROUTES = sorted(call.template for call in table().calls if call.method == "POST")
FORMS = ("/image", "/predict/image")
FORM = "content-type: multipart/form-data; boundary=XX\r\n"
PART = b'--XX\r\ncontent-disposition: form-data; name="image"; filename="x.png"\r\n\r\n'
pytestmark = pytest.mark.usefixtures("healthy")


def others_go_on(server: ServeProcess, attack: Callable[[], Any], number: int = 200) -> Any:
    """Attack while other clients ask for a model that is well; they get many right answers meanwhile."""

    async def test() -> Any:
        bodies = [json.dumps({"model": "steady", "rows": [[i, -i]]}).encode() for i in range(50)]
        load = Pressure(
            server.port, bodies, lambda s, i, answer: s == 200 and answer["scores"] == [[2.0 * i, -2.0 * i]]
        )
        async with load.on(8):
            await load.more(10)
            before = load.answered
            found = await asyncio.to_thread(attack)
            assert load.wrong == []
            assert load.broken == 0
            assert load.answered - before >= number
        return found

    return asyncio.run(test())


def filled(route: str) -> str:
    return route.replace("{model}", "steady").replace("{version}", "1")


@pytest.mark.parametrize("route", ROUTES)
def test_a_gigabyte_that_is_announced(server: ServeProcess, route: str) -> None:
    found = flood(server.port, filled(route), GIGABYTE, announced=True)
    assert found.status == 413, found.answer
    assert b"the body is larger than" in found.answer
    assert found.sent < 16 * MIB


@pytest.mark.parametrize("route", ROUTES)
def test_a_gigabyte_in_chunks(server: ServeProcess, route: str) -> None:
    before = resident(server.process.pid)
    headers, start = (FORM, PART) if route in FORMS else ("", b"")
    found = flood(server.port, filled(route), GIGABYTE, headers, start, announced=False)
    assert found.status == 413, found.answer
    assert b"larger than" in found.answer
    assert found.sent < (UPLOAD if route in ("/upload", "/api/models", "/predict/root") else BODY) + 16 * MIB
    assert peak(server.process.pid) < before + 256 * MIB


def keys(number: int) -> list[str]:
    return [f"k{i}" for i in range(number)]


def tiny(what: str) -> bytes:
    """A body at its limit that holds as many small things as fit."""
    item, start, end = {
        "lists": (b"[],", b'{"model":"steady","rows":[', b"[]]}"),
        "objects": (b'{"a":0},', b'{"model":"toy","events":[', b"{}]}"),
        "numbers": (b"1,", b'{"model":"steady","rows":[[', b"1]]}"),
        "deep": (b'{"":', b"", b"1"),
        "strings": (b'"ab",', b'{"keys":[],"values":[', b'""]}'),
        "python": (b"NaN,", b'{"model":"steady","rows":[[', b"1]]}"),
    }[what]
    return start + item * ((BODY - 100) // len(item)) + end


def million(what: str) -> tuple[str, bytes]:
    """Path and body of a request with a million keys."""
    names = keys(MILLION)
    values = [0] * MILLION
    if what == "keys":
        return "/json", json.dumps({"model": "toy", "keys": names, "values": values}, separators=(",", ":")).encode()
    if what == "event":
        event = dict.fromkeys(names, 0)
        return "/predict", json.dumps({"model": "toy", "events": [event]}, separators=(",", ":")).encode()
    if what == "columns":
        columns = {name: [0] for name in names}
        return "/predict", json.dumps({"model": "toy", "columns": columns}, separators=(",", ":")).encode()
    if what == "proto":
        return "/proto", Row(model="toy", key=names, value=values).SerializeToString()
    if what == "top":
        return "/predict", json.dumps(dict.fromkeys(names, 0), separators=(",", ":")).encode()
    if what == "parameters":
        data = {"inputs": [], "parameters": dict.fromkeys(names, 0)}
        return "/v2/models/toy/infer", json.dumps(data, separators=(",", ":")).encode()
    inputs = b",".join(b'{"name":"k%d"}' % i for i in range(MILLION))
    return "/v2/models/toy/infer", b'{"inputs":[' + inputs + b"]}"


@pytest.mark.parametrize("what", ["keys", "event", "columns", "proto", "top", "parameters", "inputs"])
def test_a_million_keys(server: ServeProcess, what: str) -> None:
    before = resident(server.process.pid)
    path, body = million(what)
    answer = httpx.post(f"{server.url}{path}", content=body, timeout=60)
    assert 400 <= answer.status_code < 500, answer.text
    assert len(answer.json()["error"]) < 3000
    assert peak(server.process.pid) < before + 700 * MIB


@pytest.mark.parametrize("what", ["lists", "objects", "numbers", "deep", "strings", "python"])
def test_as_many_things_as_fit_into_a_body(server: ServeProcess, what: str) -> None:
    before = resident(server.process.pid)
    answer = httpx.post(f"{server.url}/predict", content=tiny(what), timeout=60)
    assert 400 <= answer.status_code < 500, answer.text
    assert peak(server.process.pid) < before + 700 * MIB


FIRST = {"met": 1.0, "charge": 2.0, "Jet_pt": [1.0], "Jet_eta": []}
FLAT: list[Any] = ["1", [1.0], {}, 1e39, -1e300, 10**400, [[]], "NaN", "\0"]
JAGGED: list[Any] = [1.0, "1", {}, [[1.0]], ["1"], [{}], [1e39], [None, "x"]]
EVENTS: list[Any] = [
    *({**FIRST, "met": value} for value in FLAT),
    *({**FIRST, "Jet_pt": value} for value in JAGGED),
    {},
    {**FIRST, "more": 1.0},
    {"met": 1.0},
    [],
    None,
    1,
    "x",
]
ROWS: list[Any] = [
    [[]],
    [[1.0]],
    [[1.0, 2.0, 3.0]],
    [[1.0, 2.0], [1.0]],
    [["1", "x"]],
    [[{}, {}]],
    [[[1.0, 2.0]]],
    1,
    "x",
]


def bad_json() -> Iterator[bytes]:
    """Bodies that fit no model."""
    for event in EVENTS:
        yield json.dumps({"model": "toy", "events": [event]}).encode()
        if event != []:  # no events are answered with no scores
            yield json.dumps({"model": "toy", "events": event}).encode()
        yield json.dumps({"model": "toy", "columns": event}).encode()
        if isinstance(event, dict):
            yield json.dumps({"model": "toy", "keys": list(event), "values": list(event.values())}).encode()
    for rows in ROWS:
        yield json.dumps({"model": "steady", "rows": rows}).encode()
        yield json.dumps({"model": "toy", "rows": rows}).encode()
    yield from (b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"model": NaN}', b'{"model":"toy","keys":NaN,"values":NaN}')
    yield b"[" * 100_000
    yield b'{"a":' * 100_000 + b"NaN"


def test_what_fits_no_model_over_json(server: ServeProcess) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for body in bad_json():
            answer = client.post("/predict", content=body)
            assert 400 <= answer.status_code < 500, (body[:200], answer.text)
            assert answer.json()["error"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "null"])
def test_what_is_no_number_is_an_answer_in_json(server: ServeProcess, value: str) -> None:
    """Missing values are part of physics: they are scored or refused, and the answer is always strict JSON."""

    def strict(text: str) -> Any:
        pytest.fail(f"{text} is not JSON")

    bodies = [
        '{"model":"toy","events":[{"met":VALUE,"charge":1,"Jet_pt":[VALUE],"Jet_eta":[]}]}',
        '{"model":"toy","keys":["met","charge","Jet_pt","Jet_eta"],"values":[VALUE,1,[VALUE],[]]}',
        '{"model":"steady","rows":[[VALUE,1]]}',
        '{"model":"endless","rows":[[VALUE,-1]]}',
    ]
    for body in bodies:
        answer = httpx.post(f"{server.url}/predict", content=body.replace("VALUE", value).encode(), timeout=60)
        assert answer.status_code in (200, 400, 504), answer.text
        json.loads(answer.text, parse_constant=strict)


def test_what_fits_no_model_over_protobuf(server: ServeProcess) -> None:
    toy = ["met", "charge", "Jet_pt[0]", "Jet_eta[0]"]
    bad = [
        Row(model="toy", key=toy, value=[1.0]),
        Row(model="toy", key=[*toy, toy[0]], value=[1.0] * 5),
        Row(model="toy", key=["met", "charge", "Jet_pt[5]", "Jet_eta[0]"], value=[1.0] * 4),
        Row(model="toy", key=["met", "charge", "Jet_pt[999999999]", "Jet_eta[0]"], value=[1.0] * 4),
        Row(model="toy", key=["met"], value=[1.0]),
        Row(model="no such model", key=toy, value=[1.0] * 4),
        Row(model="steady", key=["a", "b", "c"], value=[1.0] * 3),
        DataFrame(row=[Row(model="toy", key=toy, value=[1.0] * 4), Row(model="toy", key=["x"], value=[1.0])]),
    ]
    bodies = [message.SerializeToString() for message in bad]
    bodies += [b"\xff" * 1000, bodies[0][:-1], b"\x0a\xff\xff\xff\xff\x0f", bytes(1000)]
    for body in bodies:
        answer = httpx.post(f"{server.url}/proto", content=body)
        assert 400 <= answer.status_code < 500, (body[:100], answer.content)
    for value in (float("nan"), float("inf")):
        row = Row(model="toy", key=toy, value=[value] * 4)
        assert httpx.post(f"{server.url}/proto", content=row.SerializeToString()).status_code in (200, 400)


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0], **changes}


SHAPES: list[Any] = [[2], [1, 3], [-1, 2], [2, 2], [1, 2, 1], [2**62, 2**62], [10**30], "x", None, [0.5]]
DATA: list[Any] = [[1.0], [1.0] * 3, ["1", "2"], [[1.0], [2.0, 3.0]], {}, "x", None, [{}, {}], [1e39, 1]]
INPUTS: list[Any] = [[], None, {}, [tensor(), tensor()], [tensor(), tensor(name="z")]]
OUTPUTS: list[Any] = [[{"name": "z"}], [{}], 1, [None], [{"name": "y"}, {"name": "y"}] * 2]
TENSORS = [
    *(tensor(shape=shape) for shape in SHAPES),
    *(tensor(datatype=kind) for kind in ("FP64", "INT64", "BYTES", "BOOL", "x", None, 1)),
    *(tensor(data=data) for data in DATA),
    *(tensor(name=name) for name in ("y", "", None, 1)),
    tensor(parameters={"binary_data_size": 8}),
    {},
    None,
    1,
]


def test_what_fits_no_model_over_v2(server: ServeProcess) -> None:
    url = f"{server.url}/v2/models/steady/infer"
    with httpx.Client(timeout=60) as client:
        for given in TENSORS:
            answer = client.post(url, json={"inputs": [given]})
            assert 400 <= answer.status_code < 500, (given, answer.text)
        for inputs in INPUTS:
            assert 400 <= client.post(url, json={"inputs": inputs}).status_code < 500, inputs
        for outputs in OUTPUTS:
            answer = client.post(url, json={"inputs": [tensor()], "outputs": outputs})
            assert answer.status_code < 500, (outputs, answer.text)
        head = json.dumps({"inputs": [{**tensor(parameters={"binary_data_size": 8}), "data": None}]}).encode()
        for length, rest in (
            (len(head), b"1234567"),
            (len(head), b"1" * 9),
            (len(head) - 1, b"1" * 8),
            (10**9, b""),
            (-1, b""),
        ):
            answer = client.post(url, content=head + rest, headers={"inference-header-content-length": str(length)})
            assert 400 <= answer.status_code < 500, (length, rest, answer.text)


def request(**changes: Any) -> Any:
    given = {"shape": [1, 2], "datatype": "FP32", "name": "x", "raw": struct.pack("<2f", 1, 2), **changes}
    made = service_pb2.ModelInferRequest(model_name="steady", raw_input_contents=[given["raw"]])
    made.inputs.add(name=given["name"], datatype=given["datatype"], shape=given["shape"])
    return made


def test_what_fits_no_model_over_grpc(server: ServeProcess) -> None:
    bad = [request(shape=shape) for shape in ([2], [1, 3], [-1, 2], [2**62, 2**62], [0, 0, 0], [1] * 100)]
    bad += [request(datatype=kind) for kind in ("FP64", "BYTES", "", "x")]
    bad += [request(raw=raw) for raw in (b"", b"1234567", b"1" * 9, bytes(MIB))]
    bad += [request(name=""), request(name="z"), service_pb2.ModelInferRequest(model_name="steady")]
    two = request()
    two.raw_input_contents.append(b"")
    both = request()
    both.inputs[0].contents.fp32_contents.extend([1.0, 2.0])
    many = service_pb2.ModelInferRequest(model_name="steady")
    for name in keys(100_000):
        many.inputs.add(name=name)
    with grpc.insecure_channel(server.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for made in (*bad, two, both, many):
            with pytest.raises(grpc.RpcError) as caught:
                stub.ModelInfer(made)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, str(made)[:500]
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(request(raw=bytes(BODY + 1)))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        good = stub.ModelInfer(request(raw=struct.pack("<2f", float("nan"), float("inf"))))
        np.testing.assert_array_equal(np.frombuffer(good.raw_output_contents[0], "<f4"), [np.nan, np.inf])


def test_slow_clients_are_cut_off_while_others_are_served(server: ServeProcess) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n"
    slow = [head, b"GET /health/live HTTP/1.1\r\nx: " + b"y" * 1000, head[:-2] + b"x: " + b"y" * 1000]

    def attack() -> list[bytes]:
        with ThreadPoolExecutor(30) as pool:
            return list(pool.map(lambda i: trickle(server.port, slow[i % 3] + b" " * 1000), range(30)))

    for answer in others_go_on(server, attack):
        assert answer.startswith(b"HTTP/1.1 408"), answer


def ask_endless(server: ServeProcess, number: int) -> tuple[int, str]:
    if number % 3 == 0:
        answer = httpx.post(f"{server.url}/predict", json={"model": "endless", "rows": [[1, 1]]}, timeout=60)
        return answer.status_code, answer.json()["error"]
    if number % 3 == 1:
        body = {"inputs": [tensor()]}
        answer = httpx.post(f"{server.url}/v2/models/endless/infer", json=body, timeout=60)
        return answer.status_code, answer.json()["error"]
    made = request()
    made.model_name = "endless"
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(made)
    found: Any = caught.value
    assert found.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    return 504, found.details()


def test_a_model_that_never_ends(server: ServeProcess) -> None:
    def attack() -> list[tuple[int, str]]:
        with ThreadPoolExecutor(12) as pool:
            return list(pool.map(lambda i: ask_endless(server, i), range(12)))

    for status, error in others_go_on(server, attack):
        assert status == 504
        assert "did not answer within" in error or "waited for" in error
    answer = httpx.post(f"{server.url}/predict", json={"model": "endless", "rows": [[-1, -2]]}, timeout=60)
    assert answer.json()["scores"] == [[-1.0, -2.0]]


def ask_hungry(server: ServeProcess, number: int) -> httpx.Response:
    given = {"name": "n", "datatype": "INT64", "shape": [1], "data": [number]}
    return httpx.post(f"{server.url}/v2/models/hungry/infer", json={"inputs": [given]}, timeout=60)


@pytest.mark.parametrize("number", [2**28, 2**31, 2**40, 2**62, -1])
def test_a_model_that_eats_memory(server: ServeProcess, number: int) -> None:
    before = resident(server.process.pid)
    answer = others_go_on(server, lambda: [ask_hungry(server, number) for _ in range(5)], 1)
    for one in answer:
        assert 400 <= one.status_code <= 504, one.text[:1000]
        assert one.json()["error"]
    assert peak(server.process.pid) < before + 2048 * MIB
    assert eventually(lambda: ask_hungry(server, 3).status_code == 200)  # runs that were given up may still end
    assert ask_hungry(server, 3).json()["outputs"][0]["data"] == [0.0] * 3


@pytest.mark.parametrize("number", [2 * BODY // 4 + 1, 2**26])
def test_an_answer_that_is_too_large(server: ServeProcess, number: int) -> None:
    """A short request for a long answer: what JSON would take many times the memory of is refused."""
    before = resident(server.process.pid)
    answer = others_go_on(server, lambda: ask_hungry(server, number), 1)
    assert (answer.status_code, "the answer" in answer.text[:1000]) == (413, True), answer.text[:1000]
    assert peak(server.process.pid) < before + 2048 * MIB


def test_a_model_with_one_long_operator(server: ServeProcess) -> None:
    """A single operator cannot be broken off; its caller is told in time all the same, and nobody else waits."""
    given = {"name": "n", "datatype": "INT64", "shape": [1], "data": [5000]}
    body = {"inputs": [given]}

    def attack() -> list[httpx.Response]:
        return [httpx.post(f"{server.url}/v2/models/laborious/infer", json=body, timeout=60) for _ in range(2)]

    for answer in others_go_on(server, attack):
        assert (answer.status_code, "did not answer within 1 s" in answer.text) == (504, True), answer.text[:1000]
