"""What is advertised as the largest batch can be sent: clients such as coffea pad their requests to it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mlaas4hep.bundle.clients import BODY, MAX_BATCH, largest_batch
from mlaas4hep.inference.protocol import responses
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Limits, Settings
from tests.support.foreign_models import convert


def summed(width: int) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=1, noop_with_empty_axes=0)],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
    )
    graph.node[0].input.append("axes")
    graph.initializer.append(helper.make_tensor("axes", TensorProto.INT64, [1], [1]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def advertised(root: Path, limits: Limits | None = None) -> dict[str, Any]:
    async def config() -> dict[str, Any]:
        server = Server(Settings(repository=root, limits=limits or Limits()))
        await server.start()
        try:
            await server.look()  # files without checksums count once they stayed the same between two looks
            await server.loaded()
            return await responses.config(server, "wide", "")
        finally:
            await server.stop()

    return asyncio.run(config())


def placed(root: Path, width: int, config: str = "", where: str = "wide") -> Path:
    (root / "wide" / "1").mkdir(parents=True)
    onnx.save(summed(width), root / "wide" / "1" / "model.onnx")
    if config:
        (root / where / "config.pbtxt").write_text(config)
    return root


@pytest.mark.parametrize("width", [1, 300, 5000, 3_000_000])
def test_as_many_rows_as_fit_into_a_body(tmp_path: Path, width: int) -> None:
    found = advertised(placed(tmp_path, width))
    size = found["max_batch_size"]
    assert 1 <= size <= MAX_BATCH
    assert size * width * np.dtype(np.float32).itemsize < BODY or size == 1
    assert size == MAX_BATCH or 2 * size * width * 4 > BODY - 2**16
    assert found["input"][0]["dims"] == [width]


def test_the_limits_of_this_server_count(tmp_path: Path) -> None:
    assert advertised(placed(tmp_path, 100), Limits(body=2**20))["max_batch_size"] == 2048
    assert advertised(tmp_path, Limits(rows=1000))["max_batch_size"] == 512


@pytest.mark.parametrize("where", ["wide", "wide/1"])
def test_what_the_user_says_is_kept(tmp_path: Path, where: str) -> None:
    found = advertised(placed(tmp_path, 4, 'name: "wide"\nmax_batch_size: 37\n', where))
    assert (found["max_batch_size"], found["input"][0]["dims"]) == (37, [4])


def test_a_user_who_says_0_gets_all_axes(tmp_path: Path) -> None:
    found = advertised(placed(tmp_path, 4, 'name: "wide" max_batch_size: 0'))
    assert (found["max_batch_size"], found["input"][0]["dims"]) == (0, [-1, 4])


def test_it_goes_with_an_upload(tmp_path: Path) -> None:
    for config, expected in (('name: "x" max_batch_size: 48', 48), ('name: "x"', None)):
        folder = tmp_path / f"in{expected}"
        folder.mkdir()
        onnx.save(summed(4), folder / "model.onnx")
        (folder / "config.pbtxt").write_text(config)
        assert convert(folder, tmp_path / f"out{expected}")["max_batch_size"] == expected


def test_never_less_than_a_row() -> None:
    assert largest_batch(2 * BODY, 1) == 1
    assert largest_batch(0, 0) == MAX_BATCH
