"""Requests of every kind against a bundle and a plain model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.bundle import load_bundle
from mlaas4hep.errors.serving import BadRequestError, ModelNotFoundError, TooLargeError
from mlaas4hep.inference.server import Server
from tests.support.onnx_models import echo, fixed, scorer
from tests.support.serving import JETS, event, make_bundle, put, save, serving

FLAT = ("met", "charge")
LISTS = dict.fromkeys(JETS, 3)


def run(root: Path, test: Callable[[Server], Awaitable[None]], **changes: Any) -> None:
    async def limited() -> None:
        async with serving(root, poll=600, **changes) as server:
            await server.look()
            await server.loaded()
            await test(server)

    asyncio.run(asyncio.wait_for(limited(), 60))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle `toy`, and plain models."""
    folder = tmp_path_factory.mktemp("models")
    make_bundle(folder / "toy" / "1")
    put(folder, "twice", 1, 2)
    save(scorer(), folder / "scorer" / "1" / "model.onnx")
    save(fixed(), folder / "fixed" / "1" / "model.onnx")
    save(echo("BYTES"), folder / "text" / "1" / "model.onnx")
    return folder


def test_a_bundle_in_every_way(root: Path) -> None:
    rng = np.random.default_rng(7)
    rows = [event(rng, FLAT, LISTS) for _ in range(40)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    matrix = np.full((40, 8), np.nan, np.float32)
    for i, row in enumerate(rows):
        matrix[i, :2] = row["met"], row["charge"]
        for k, name in enumerate(JETS):
            matrix[i, 2 + 3 * k : 2 + 3 * k + min(3, len(row[name]))] = row[name][:3]
    expected = load_bundle(root / "toy" / "1").scorer(threads=1).scores(matrix)
    padded = {name: np.array(columns[name], np.float32) for name in FLAT} | {
        name: matrix[:, 2 + 3 * k : 5 + 3 * k] for k, name in enumerate(JETS)
    }

    async def test(server: Server) -> None:
        found = [
            (await server.score_events("toy", rows)).scores,
            (await server.score_events("toy", columns)).scores,
            (await server.score_matrix("toy", matrix)).scores,
            (await server.infer("toy", {"features": matrix}, ["scores"])).outputs["scores"],
            (await server.infer("toy", padded)).outputs["scores"],
            np.concatenate([(await server.score_events("toy", [row])).scores for row in rows]),
            np.concatenate(
                [(await server.score_row("toy", list(row)[::-1], list(row.values())[::-1])).scores for row in rows]
            ),
        ]
        for scores in found:
            assert scores.dtype == np.float32
            np.testing.assert_allclose(scores, expected, rtol=1e-6)
        assert (await server.score_events("toy", [])).scores.shape == (0, 1)
        stats = server.statistics("toy")[0]
        assert (stats["name"], stats["version"]) == ("toy", "1")
        assert stats["inference_count"] == 40 * 7
        assert stats["inference_stats"]["success"]["count"] == 5 + 80 + 1
        with pytest.raises(BadRequestError, match="keys are missing: met"):
            await server.score_events("toy", [{}])
        assert server.statistics("toy")[0]["inference_stats"]["fail"]["count"] == 1

    run(root, test)


def test_plain_models(root: Path) -> None:
    async def test(server: Server) -> None:
        row = await server.score_row("twice", ["any", "names"], [1, None])
        np.testing.assert_array_equal(row.scores, np.array([[2, np.nan]], np.float32))
        assert (await server.score_row("twice", [], [1, 2])).scores.tolist() == [[2.0, 4.0]]
        scored = await server.score_matrix("scorer", np.ones((2, 3), np.float32))
        assert scored.scores.shape == (2, 2)
        np.testing.assert_allclose(scored.scores.sum(axis=1), 1, rtol=1e-6)
        inferred = await server.infer("scorer", {"features": np.ones((2, 3), np.float32)}, ["logits"])
        np.testing.assert_allclose(inferred.outputs["logits"], [[0.0, 1.125]] * 2)
        inferred = await server.infer("fixed", {"x": np.arange(6, dtype=np.float32).reshape(2, 3)})
        assert inferred.outputs["y"].tolist() == [[0, 3], [1, 4], [2, 5]]
        text = np.array([["a", "b"]], object)
        assert (await server.infer("text", {"x": text})).outputs["y"].tolist() == [["a", "b"]]
        assert (await server.infer("text", {"x": text[:0]})).outputs["y"].shape == (0, 2)

    run(root, test)


@pytest.mark.parametrize(
    ("model", "keys", "values", "message"),
    [
        ("twice", ["a", "b"], [1, 2, 3], "2 keys and 3 values are given"),
        ("twice", ["a", "a"], [1, 2], "keys are given more than once"),
        ("twice", ["a"], [1], "1 values are given, the model takes 2"),
        ("twice", ["a", "b"], [1, "2"], "value 1: '2' where a number is expected"),
        ("twice", ["a", "b"], [1, [2]], "value 1: a list where one number is expected"),
        ("twice", ["a", "b"], [1, 1e39], r"value 1: 1e\+39 is not within float32"),
        ("text", ["a", "b"], [1, 2], "this model gives no scores"),
    ],
)
def test_rows_that_do_not_fit_a_plain_model(
    root: Path, model: str, keys: list[str], values: list[Any], message: str
) -> None:
    async def test(server: Server) -> None:
        with pytest.raises(BadRequestError, match=message):
            await server.score_row(model, keys, values)

    run(root, test)


def test_plain_models_know_no_branches(root: Path) -> None:
    async def test(server: Server) -> None:
        for events in ([{"x": 1, "y": 2}], {"x": [1], "y": [2]}):
            with pytest.raises(BadRequestError, match="this model knows no names of branches"):
                await server.score_events("twice", events)

    run(root, test)


def test_limits(root: Path) -> None:
    async def test(server: Server) -> None:
        big = np.zeros((11, 2), np.float32)
        for request in (
            server.score_matrix("twice", big),
            server.infer("twice", {"x": big}),
            server.score_events("toy", [{}] * 11),
            server.score_events("toy", {"met": [1.0] * 11}),
        ):
            with pytest.raises(TooLargeError, match="11 rows are given, at most 10 are allowed"):
                await request
        for request in (
            server.score_row("toy", ["k"] * 21, [1] * 21),
            server.score_events("toy", {f"k{i}": [] for i in range(21)}),
            server.infer("twice", {f"k{i}": big for i in range(21)}),
        ):
            with pytest.raises(TooLargeError, match="21 keys are given, at most 20 are allowed"):
                await request
        with pytest.raises(BadRequestError, match=r"rows of the shape \[2\] are given"):
            await server.score_matrix("twice", np.zeros(2, np.float32))

    run(root, test, limits={"rows": 10, "keys": 20})


def test_what_is_not_there(root: Path) -> None:
    async def test(server: Server) -> None:
        for model, version, message in (
            ("none", "", "there is no model none"),
            ("../toy", "", "there is no model ../toy"),
            ("a\nb", "", r"there is no model a\\nb"),
            ("toy", "7", "model toy has no version '7'; it has 1"),
            ("toy", "stable", "model toy has no version or label 'stable'"),
            ("toy", "../1", "model toy has no version or label '../1'"),
        ):
            with pytest.raises(ModelNotFoundError, match=message):
                await server.score_row(model, ["a"], [1], version)
            with pytest.raises(ModelNotFoundError, match=message):
                server.info(model, version)
            with pytest.raises(ModelNotFoundError):
                server.statistics(model, version)
        with pytest.raises(ModelNotFoundError):
            server.files("none")
        with pytest.raises(ModelNotFoundError):
            server.files("toy", "7")

    run(root, test)


def test_descriptions(root: Path) -> None:
    async def test(server: Server) -> None:
        assert [info.name for info in server.models()] == ["fixed", "scorer", "text", "toy", "twice"]
        toy = server.info("toy")
        assert (toy.state, toy.version, toy.labels, toy.classes) == ("READY", "1", ("latest",), ("signal",))
        assert toy.branches == {"met": "flat", "charge": "flat", "Jet_pt": "jagged", "Jet_eta": "jagged"}
        assert toy.inputs[0].name == "features"
        assert toy.inputs[0].columns[2] == "Jet_pt[0]"
        assert toy.metadata is not None
        assert toy.metadata["framework"] == "sklearn"
        plain = server.info("twice", "latest")
        assert plain.branches is None
        assert (plain.inputs[0].name, plain.inputs[0].shape, plain.batched) == ("x", (-1, 2), True)
        assert not server.info("fixed").batched
        assert [entry["name"] for entry in server.statistics()] == [info.name for info in server.models()]
        assert [gauge["in_flight"] for gauge in server.gauges()] == [0] * 5

    run(root, test)
