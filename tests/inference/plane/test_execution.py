"""Running models in the loop and in threads: chunks, empty batches, time limits, cancelled callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import onnx
import pytest

from mlaas4hep.inference.failures import ModelTimeoutError, ServingError, TooManyRequestsError
from mlaas4hep.inference.plane.execution import CHUNK, Execution
from mlaas4hep.inference.plane.statistics import VersionStatistics
from mlaas4hep.inference.repository.model_json import Batching
from mlaas4hep.inference.runtimes.onnx_runtime import OnnxRuntime
from mlaas4hep.inference.settings import Limits
from tests.support.serving import failing, looping, scaler


def execution(model: onnx.ModelProto, inline: int = 0, **limits: Any) -> tuple[Execution, VersionStatistics]:
    statistics = VersionStatistics()
    runtime = OnnxRuntime(model.SerializeToString(), 1)
    return Execution(runtime, Limits(**limits), inline, statistics), statistics


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 60)

    asyncio.run(limited())


def test_many_rows_are_run_in_chunks() -> None:
    async def test() -> None:
        made, statistics = execution(scaler(2.0, 1))
        rows = np.arange(2 * CHUNK + 5, dtype=np.float32)[:, None]
        found, _, infer = await made.run({"x": rows}, len(rows))
        np.testing.assert_array_equal(found["y"], rows * 2)
        assert infer > 0
        assert statistics.executions == 1
        made.close()

    run(test)


@pytest.mark.parametrize("inline", [0, 100])
@pytest.mark.parametrize("batching", [None, Batching(max_size=4, max_delay_ms=0)])
def test_no_rows_give_no_rows(inline: int, batching: Batching | None) -> None:
    async def test() -> None:
        made, _ = execution(scaler(2.0, 3), inline)
        made.batch(batching)
        nothing = np.empty((0, 3), np.float32)
        assert made.inline({"x": nothing}, 0) is None
        found, _, _ = await made.run({"x": nothing}, 0)
        assert found["y"].shape == (0, 3)

    run(test)


def test_a_run_in_the_loop_that_takes_too_long_goes_to_a_thread() -> None:
    async def test() -> None:
        made, _ = execution(looping(), inline=10, timeout=0.4)
        short, endless = np.array([[1.0]], np.float32), np.array([[1e18]], np.float32)
        assert made.inline({"x": short}, 1) is not None
        assert made.inline({"x": endless}, 1) is None
        assert made.inline_rows == 0
        assert made.inline({"x": short}, 1) is None
        with pytest.raises(ModelTimeoutError, match=r"the model did not answer within 0\.\d+ s"):
            await made.run({"x": endless}, 1)
        found, _, _ = await made.run({"x": short}, 1)
        assert found["y"].tolist() == [[1.0]]
        assert made.inline_rows == 0
        made._until = 0.0  # the time is over
        await made.run({"x": short}, 1)
        assert made.inline_rows == 10

    run(test)


def test_others_go_on_while_one_model_hangs() -> None:
    async def test() -> None:
        slow, _ = execution(looping(), timeout=1.0)
        fast, _ = execution(scaler(2.0, 1))
        hanging = asyncio.create_task(slow.run({"x": np.array([[1e18]], np.float32)}, 1))
        await asyncio.sleep(0)
        for _ in range(20):
            found, _, _ = await fast.run({"x": np.ones((1, 1), np.float32)}, 1)
            assert found["y"].tolist() == [[2.0]]
        assert not hanging.done()
        with pytest.raises(ModelTimeoutError):
            await hanging

    run(test)


def test_a_cancelled_caller_keeps_the_model_until_its_run_ends() -> None:
    async def test() -> None:
        made, _ = execution(looping(), timeout=0.5)
        idle = asyncio.Event()
        made.on_idle = idle.set
        task = asyncio.create_task(made.run({"x": np.array([[1e18]], np.float32)}, 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert made.in_flight == 1
        await idle.wait()
        assert made.in_flight == made.waiting == 0

    run(test)


def test_only_so_many_rows_may_wait() -> None:
    async def test() -> None:
        made, _ = execution(looping(), timeout=0.5, queue=3)
        task = asyncio.create_task(made.run({"x": np.full((2, 1), 1e18, np.float32)}, 2))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequestsError, match="2 rows wait for this model already"):
            await made.run({"x": np.ones((2, 1), np.float32)}, 2)
        found, _, _ = await made.run({"x": np.ones((1, 1), np.float32)}, 1)
        assert found["y"].tolist() == [[1.0]]
        with pytest.raises(ModelTimeoutError):
            await task
        found, _, _ = await made.run({"x": np.ones((50, 1), np.float32)}, 50)
        assert len(found["y"]) == 50

    run(test)


@pytest.mark.parametrize("inline", [0, 100])
def test_a_failing_row_in_a_batch_hurts_nobody_else(inline: int) -> None:
    async def test() -> None:
        made, statistics = execution(failing(), inline)
        made.batch(Batching(max_size=6, max_delay_ms=100))
        rows = [np.full((2, 2), value, np.float32) for value in (1, 99, 3)]
        found = await asyncio.gather(*(made.run({"x": row}, 2) for row in rows), return_exceptions=True)
        assert isinstance(found[1], ServingError)
        for row, answer in ((rows[0], found[0]), (rows[2], found[2])):
            assert isinstance(answer, tuple)
            np.testing.assert_array_equal(answer[0]["y"], row * 10)
        assert statistics.executions == 2

    run(test)
