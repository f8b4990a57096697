"""Which versions are in memory, and which one answers."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors.serving import ModelNotFoundError, ModelUnavailableError
from mlaas4hep.inference.server import Server
from tests.support.serving import failing, looping, make_bundle, put, save, scaler, serving

ONE = np.ones((1, 2), np.float32)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 60)

    asyncio.run(limited())


async def looked(server: Server) -> None:
    """What was put there by hand is taken over at the second look."""
    await server.look()
    await server.look()
    await server.loaded()


def states(server: Server) -> dict[str, str]:
    return {f"{info.name}/{info.version}": info.state for info in server.models()}


async def version(server: Server, name: str = "m", asked: str = "") -> str:
    scored = await server.score_matrix(name, ONE, asked)
    assert scored.scores[0, 0] == float(scored.version)
    return scored.version


def test_the_newest_answers_and_the_one_before_goes(tmp_path: Path) -> None:
    async def test() -> None:
        put(tmp_path, "m", 1, 1)
        async with serving(tmp_path) as server:
            await looked(server)
            assert await version(server) == "1"
            put(tmp_path, "m", 2, 2)
            await looked(server)
            assert await version(server) == "2"
            assert states(server) == {"m/1": "UNLOADED", "m/2": "READY"}
            assert server.info("m", "1").reason == "not in memory, loaded when it is asked for"
            assert await version(server, asked="1") == "1"
            assert await version(server) == "2"
            assert states(server) == {"m/1": "READY", "m/2": "READY"}

    run(test)


def test_the_old_one_answers_until_the_new_one_is_ready(tmp_path: Path) -> None:
    async def test() -> None:
        put(tmp_path, "m", 1, 1)
        async with serving(tmp_path, poll=600) as server:
            await looked(server)
            put(tmp_path, "m", 2, 2)
            await server.look()
            await server.look()
            assert states(server) == {"m/1": "READY", "m/2": "LOADING"}
            assert await version(server) == "1"
            assert await version(server, asked="2") == "2"
            assert await version(server) == "2"

    run(test)


def test_what_cannot_be_loaded_is_not_chosen(tmp_path: Path) -> None:
    async def test() -> None:
        put(tmp_path, "m", 1, 1)
        (tmp_path / "m" / "2").mkdir()
        (tmp_path / "m" / "2" / "model.onnx").write_bytes(b"no model")
        async with serving(tmp_path) as server:
            await looked(server)
            assert await version(server) == "1"
            info = server.info("m", "2")
            assert info.state == "FAILED"
            assert info.labels == ("latest",)
            assert info.reason.startswith("ONNX Runtime cannot load the model")
            message = "version 2 of model m cannot be served: ONNX Runtime cannot load the model"
            with pytest.raises(ModelUnavailableError, match=message):
                await version(server, asked="2")
            with pytest.raises(ModelUnavailableError, match="cannot be loaded: ONNX Runtime"):
                await server.load("m", "2")
            shutil.rmtree(tmp_path / "m" / "1")
            await looked(server)
            with pytest.raises(ModelUnavailableError, match="no version of model m is ready: ONNX Runtime"):
                await version(server)
            assert server.info("m").version == "2"

    run(test)


def test_files_replaced_in_place(tmp_path: Path) -> None:
    async def test() -> None:
        put(tmp_path, "m", 1, 5)
        async with serving(tmp_path, poll=600) as server:
            await looked(server)
            assert (await server.score_matrix("m", ONE)).scores[0, 0] == 5
            save(scaler(6.0), tmp_path / ".new").rename(tmp_path / "m" / "1" / "model.onnx")
            await server.look()
            assert (await server.score_matrix("m", ONE)).scores[0, 0] == 5
            await looked(server)
            assert (await server.score_matrix("m", ONE)).scores[0, 0] == 6
            (tmp_path / "m" / "1" / "model.onnx").write_bytes(b"damaged")
            await looked(server)
            assert (await server.score_matrix("m", ONE)).scores[0, 0] == 6  # whole in memory

    run(test)


def test_so_many_are_in_memory_and_the_least_recently_used_goes(tmp_path: Path) -> None:
    async def test() -> None:
        for name in "abc":
            put(tmp_path, name, 1, 1)
        async with serving(tmp_path, limits={"loaded": 2}) as server:
            await looked(server)
            assert states(server) == {"a/1": "READY", "b/1": "READY", "c/1": "UNLOADED"}
            for name in "abaac":
                await version(server, name)
            assert states(server) == {"a/1": "READY", "b/1": "UNLOADED", "c/1": "READY"}
            await asyncio.gather(*(version(server, name) for name in "abcabcabc"))
            assert sum(state == "READY" for state in states(server).values()) == 2

    run(test)


def test_so_many_are_in_memory_also_of_one_model(tmp_path: Path) -> None:
    async def test() -> None:
        for number in range(1, 5):
            put(tmp_path, "m", number, number)
        async with serving(tmp_path, limits={"loaded": 2}) as server:
            await looked(server)
            for asked in ("1", "2", "3", ""):
                await version(server, asked=asked)
                assert sum(state == "READY" for state in states(server).values()) <= 2
            assert states(server) == {"m/1": "UNLOADED", "m/2": "UNLOADED", "m/3": "READY", "m/4": "READY"}
            await asyncio.gather(*(version(server, asked=asked) for asked in "123412341234"))
            assert sum(state == "READY" for state in states(server).values()) <= 2
            put(tmp_path, "m", 5, 5)
            await looked(server)
            assert await version(server) == "5"
            assert sum(state == "READY" for state in states(server).values()) <= 2

    run(test)


def test_a_version_that_cannot_be_served_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def warned() -> list[str]:
        return [r.getMessage() for r in caplog.records if r.levelname == "WARNING" and "cannot be served" in r.message]

    async def test() -> None:
        put(tmp_path, "m", 1, 1)
        (tmp_path / "m" / "2").mkdir()
        (tmp_path / "m" / "2" / "manifest.json").write_text("{")
        async with serving(tmp_path) as server:
            for _ in range(2):
                await looked(server)
            assert len(warned()) == 1
            assert warned()[0].startswith("version 2 of model m cannot be served: ")
            (tmp_path / "m" / "2" / "manifest.json").unlink()
            (tmp_path / "m" / "2" / "model.pkl").write_bytes(b"x")
            await looked(server)
            await looked(server)
            assert len(warned()) == len(set(warned())) == 2

    run(test)


def test_one_place_for_two_versions(tmp_path: Path) -> None:
    async def test() -> None:
        for number in (1, 2):
            put(tmp_path, "m", number, number)
        async with serving(tmp_path, limits={"loaded": 1}) as server:
            await looked(server)
            for asked, expected in (("", "2"), ("1", "1"), ("", "2"), ("1", "1")):
                assert await version(server, asked=asked) == expected
                assert sum(state == "READY" for state in states(server).values()) == 1

    run(test)


def test_one_in_flight_never_goes(tmp_path: Path) -> None:
    async def test() -> None:
        save(looping(), tmp_path / "slow" / "1" / "model.onnx")
        put(tmp_path, "m", 1, 1)
        async with serving(tmp_path, limits={"loaded": 1, "timeout": 1.0}) as server:
            await looked(server)
            assert await version(server) == "1"
            await server.score_matrix("slow", np.ones((1, 1), np.float32))
            slow = asyncio.create_task(server.score_matrix("slow", np.full((1, 1), 2e5, np.float32)))
            await asyncio.sleep(0)
            assert await version(server) == "1"
            assert slow.done()
            assert (await slow).scores.tolist() == [[2e5]]
            assert states(server) == {"m/1": "READY", "slow/1": "UNLOADED"}

    run(test)


def test_no_room_in_time(tmp_path: Path) -> None:
    async def test() -> None:
        put(tmp_path, "a", 1, 1)
        put(tmp_path, "b", 1, 1)
        async with serving(tmp_path, limits={"loaded": 1, "timeout": 0.2}) as server:
            await looked(server)
            await server.configure("a", {"batching": {"max_size": 100, "max_delay_ms": 10_000}})
            held = asyncio.create_task(server.score_matrix("a", ONE))
            await asyncio.sleep(0)
            with pytest.raises(ModelUnavailableError, match=r"all models in memory are busy|is being loaded"):
                await version(server, "b")
            held.cancel()
            await asyncio.wait({held})
            assert await version(server, "b") == "1"

    run(test)


def test_replacing_needs_no_room(tmp_path: Path) -> None:
    async def test() -> None:
        put(tmp_path, "m", 1, 1)
        async with serving(tmp_path, limits={"loaded": 1}) as server:
            await looked(server)
            put(tmp_path, "m", 2, 2)
            await looked(server)
            assert states(server) == {"m/1": "UNLOADED", "m/2": "READY"}

    run(test)


def test_labels_and_their_versions_stay_in_memory(tmp_path: Path) -> None:
    async def test() -> None:
        for number in (1, 2):
            put(tmp_path, "m", number, number)
        async with serving(tmp_path) as server:
            await looked(server)
            await server.label("m", "stable", "1")
            assert await version(server) == "1"
            assert await version(server, asked="stable") == "1"
            assert await version(server, asked="latest") == "2"
            put(tmp_path, "m", 3, 3)
            await looked(server)
            assert await version(server) == "1"
            assert await version(server, asked="latest") == "3"
            assert server.info("m").labels == ("stable",)
            await server.label("m", "stable", None)
            assert await version(server) == "3"

    run(test)


def test_the_canary_gets_its_share(tmp_path: Path) -> None:
    async def test() -> None:
        for number in (1, 2):
            put(tmp_path, "m", number, number)
        async with serving(tmp_path) as server:
            await looked(server)
            await server.label("m", "canary", "1")
            await server.configure("m", {"canary": 10})
            found = [await version(server) for _ in range(200)]
            assert found.count("1") == 20
            assert all(found[i : i + 10].count("1") == 1 for i in range(0, 200, 10))
            assert [await version(server, asked="2") for _ in range(20)] == ["2"] * 20
            counts = {entry["version"]: entry["inference_count"] for entry in server.statistics("m")}
            assert counts == {"1": 20, "2": 200}
            await server.delete("m", "1")
            assert [await version(server) for _ in range(20)] == ["2"] * 20

    run(test)


def test_two_servers_on_one_folder(tmp_path: Path) -> None:
    async def test() -> None:
        bundle = make_bundle(tmp_path / "toy.tar.gz")
        async with serving(tmp_path / "models", poll=600) as one, serving(tmp_path / "models", poll=600) as two:
            await one.upload(bundle)
            row = {"met": 1.0, "charge": 2.0, "Jet_pt": [], "Jet_eta": []}
            first = await one.score_events("toy", [row])
            second = await two.score_events("toy", [row])  # found although it has not looked yet
            np.testing.assert_array_equal(first.scores, second.scores)
            await two.upload(bundle)
            assert (await one.score_events("toy", [row], "2")).version == "2"
            await one.delete("toy")
            with pytest.raises(ModelNotFoundError):
                one.info("toy")
            await two.look()
            with pytest.raises(ModelNotFoundError):
                await two.score_events("toy", [row])

    run(test)


def test_polling_finds_what_others_put_there(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, poll=0.01) as server:
            put(tmp_path, "m", 1, 1)
            while not server.models():
                await asyncio.sleep(0.01)
            assert await version(server) == "1"
            shutil.rmtree(tmp_path / "m")
            while server.models():
                await asyncio.sleep(0.01)
            with pytest.raises(ModelNotFoundError, match="there is no model m"):
                await version(server)

    run(test)


def test_memory_comes_back(tmp_path: Path) -> None:
    import psutil

    async def test() -> None:
        table = np.random.default_rng(0).normal(size=16_000_000).astype(np.float32)
        save(failing(table), tmp_path / "m" / "1" / "model.onnx")
        del table
        process = psutil.Process()
        async with serving(tmp_path) as server:
            await looked(server)
            await server.load("m")
            loaded: Any = process.memory_info().rss
            await server.unload("m")
            await server.loaded()
            assert loaded - process.memory_info().rss > 50_000_000

    run(test)
