"""Every caller gets exactly its rows, whatever else goes on: batches, a canary, reloads, cancelled callers."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.frameworks.tensors import Runtime
from mlaas4hep.inference.execution.opening import open_runtime
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Limits
from tests.support.serving import put, save, scaler, serving

FACTORS = {"1": 1.0, "2": 3.0, "3": 5.0, "4": 7.0}
MODES = ("matrix", "infer", "row")


async def ask(server: Server, caller: int, rows: int, mode: str, version: str) -> None:
    """One request whose numbers nobody else has."""
    values = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2) + caller * 1000
    found: Any
    if mode == "infer":
        inferred = await server.infer("m", {"x": values}, None, version)
        used, found = inferred.version, inferred.outputs["y"]
    else:
        if mode == "row":
            values = values[:1] if rows else np.full((1, 2), caller, np.float32)
            scored = await server.score_row("m", ["a", "b"], values[0].tolist(), version)
        else:
            scored = await server.score_matrix("m", values, version)
        used, found = scored.version, scored.scores
    np.testing.assert_array_equal(found, values * np.float32(FACTORS[used]))


def in_threads(folder: Path, *, threads: int, limits: Limits) -> Runtime:
    """A model that is never run in the event loop, as one in a process of its own is not."""
    runtime = open_runtime(folder, threads=threads, limits=limits)
    runtime.platform = "elsewhere"
    return runtime


async def idle(server: Server) -> None:
    """Wait until nothing is in flight, nor waits, also of callers that went away."""
    while any(gauge["in_flight"] or gauge["waiting"] for gauge in server.gauges()):
        await asyncio.sleep(0.001)


async def disturb(server: Server, root: Path, actions: list[str]) -> None:
    """Changes under load; version 1 always stays."""
    for action in actions:
        folder = root / "m"
        if action == "new" and not (folder / "4").exists():
            put(root, "m", 4, FACTORS["4"])
            await server.look()
            await server.look()
        elif action == "reload":
            await server.look()
            save(scaler(FACTORS["2"]), root / ".new")
            (root / ".new").rename(folder / "2" / "model.onnx")
            await server.look()
            await server.look()
        elif action == "delete" and (folder / "4").exists():
            await server.delete("m", "4")
        elif action == "unload":
            await server.unload("m", "3")
        elif action == "load":
            await server.load("m", "3")
        elif action == "batch":
            await server.configure("m", {"batching": {"max_size": 8, "max_delay_ms": 0.5}})
        elif action == "alone":
            await server.configure("m", {"batching": None})
        elif action == "label":
            await server.label("m", "stable", "2")
        elif action == "unlabel" and any("stable" in info.labels for info in server.models()):
            await server.label("m", "stable", None)
        await asyncio.sleep(0)


ACTIONS = ("new", "reload", "delete", "unload", "load", "batch", "alone", "label", "unlabel")


@given(
    callers=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(MODES), st.booleans()), min_size=2, max_size=60),
    actions=st.lists(st.sampled_from(ACTIONS), max_size=6),
    batching=st.none() | st.tuples(st.integers(2, 40), st.sampled_from((0.0, 0.5, 3.0))),
    canary=st.sampled_from((0, 10, 50)),
    threads=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_every_caller_gets_its_rows(
    callers: list[tuple[int, str, bool]],
    actions: list[str],
    batching: tuple[int, float] | None,
    canary: int,
    threads: bool,
    seed: int,
) -> None:
    async def main(root: Path) -> None:
        for version in (1, 2, 3):
            put(root, "m", version, FACTORS[str(version)])
        async with serving(root, in_threads if threads else open_runtime, poll=600.0) as server:
            await server.look()
            await server.loaded()
            await server.label("m", "canary", "1")
            if batching:
                size, delay = batching
                await server.configure("m", {"batching": {"max_size": size, "max_delay_ms": delay}})
            await server.configure("m", {"canary": canary})
            rng = random.Random(seed)

            async def caller(index: int, rows: int, mode: str, cancelled: bool) -> None:
                await asyncio.sleep(rng.random() * 0.01)
                request = asyncio.create_task(ask(server, index, rows, mode, ""))
                if cancelled:
                    await asyncio.sleep(rng.random() * 0.001)
                    request.cancel()
                    await asyncio.wait({request})
                    if not request.cancelled():
                        request.result()
                else:
                    await request

            disturbed = asyncio.create_task(disturb(server, root, actions))
            await asyncio.gather(*(caller(i, *entry) for i, entry in enumerate(callers)))
            await disturbed
            await server.loaded()
            await asyncio.wait_for(idle(server), 10)

    folder = Path(tempfile.mkdtemp())
    try:
        asyncio.run(main(folder))
    finally:
        shutil.rmtree(folder)
