"""Start and stop of the server: nothing in flight is lost, and a killed one leaves the repository whole."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.atomic.owners import is_work
from mlaas4hep.errors.serving import ModelUnavailableError, ServingError
from mlaas4hep.inference.server import Server
from tests.support.serving import looping, make_bundle, put, save, settings

ONE = np.ones((1, 2), np.float32)


def test_stop_finishes_what_is_in_flight(tmp_path: Path) -> None:
    async def main() -> None:
        put(tmp_path, "m", 1, 1)
        server = Server(settings(tmp_path))
        await server.start()
        await server.look()
        await server.loaded()
        await server.configure("m", {"batching": {"max_size": 1000, "max_delay_ms": 100}})
        requests = [asyncio.create_task(server.score_matrix("m", ONE * i)) for i in range(50)]
        await asyncio.sleep(0)
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        late = await server.score_matrix("m", ONE * 7)
        assert late.scores.tolist() == [[7.0, 7.0]]
        for i, request in enumerate(requests):
            assert (await request).scores.tolist() == [[float(i)] * 2]
        await stopping
        with pytest.raises(ModelUnavailableError, match="the server has stopped"):
            await server.score_matrix("m", ONE)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_stop_does_not_wait_for_ever(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        save(looping(), tmp_path / "slow" / "1" / "model.onnx")
        server = Server(settings(tmp_path, drain=0.1, limits={"timeout": 1.0}))
        await server.start()
        await server.look()
        await server.loaded()
        request = asyncio.create_task(server.score_matrix("slow", np.full((1, 1), 1e18, np.float32)))
        await asyncio.sleep(0)
        await server.stop()
        assert "requests were still in flight after 0.1 s" in caplog.text
        with pytest.raises(ServingError, match="did not answer"):
            await request

    asyncio.run(asyncio.wait_for(main(), 30))


def test_stop_while_models_are_being_loaded(tmp_path: Path) -> None:
    async def main() -> None:
        for i in range(6):
            make_bundle(tmp_path / f"toy{i}" / "1")
        server = Server(settings(tmp_path))
        await server.start()
        await asyncio.sleep(0)
        await server.stop()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_start_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def main() -> None:
        with pytest.raises(ServingError, match="the repository cannot be changed"):
            await Server(settings(tmp_path / "file" / "models")).start()

    asyncio.run(main())


CHANGES = """
import asyncio, random, sys
from pathlib import Path
from mlaas4hep.errors.serving import ServingError
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings

async def main():
    server = Server(Settings(repository=Path(sys.argv[1]), poll=0.02))
    await server.start()
    await server.upload(Path(sys.argv[2]))
    print("ready", flush=True)
    rng = random.Random(int(sys.argv[3]))
    event = {"met": 1.0, "charge": 2.0, "Jet_pt": [1.0], "Jet_eta": []}
    while True:
        try:
            action = rng.choice(["upload", "upload", "delete", "unload", "load", "label", "configure", "score"])
            if action == "upload":
                await server.upload(Path(sys.argv[2]))
            elif action == "delete":
                await server.delete("toy", rng.choice([info.version for info in server.models()] or ["1"]))
            elif action == "label":
                await server.label("toy", "stable", "latest")
            elif action == "configure":
                await server.configure("toy", {"canary": rng.randrange(100)})
            elif action == "score":
                await server.score_events("toy", [event])
            else:
                await getattr(server, action)("toy")
        except ServingError as error:
            if error.status == 500:
                raise

asyncio.run(main())
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    root, bundle = tmp_path / "models", make_bundle(tmp_path / "toy.tar.gz")
    rng = random.Random(3)

    async def whole() -> int:
        server = Server(settings(root))
        await server.start()
        await server.look()
        await server.loaded()
        try:
            assert not [path for path in (*root.iterdir(), *root.glob("*/*")) if is_work(path.name)]
            assert all(info.state != "FAILED" for info in server.models())
            return len(server.models())
        finally:
            await server.stop()

    seen = 0
    for attempt in range(5):
        arguments = [sys.executable, "-c", CHANGES, str(root), str(bundle), str(attempt)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.02, 0.4))
            process.send_signal(signal.SIGKILL)
        seen += asyncio.run(whole())
    assert seen
