"""Running models in the loop and in threads: chunks, empty batches, time limits, cancelled callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mlaas4hep.errors.serving import (
    ModelTimeoutError,
    ModelUnavailableError,
    ServingError,
    TooManyRequestsError,
)
from mlaas4hep.frameworks.onnx.runtime import OnnxRuntime
from mlaas4hep.inference.execution.execution import CHUNK, Execution
from mlaas4hep.inference.execution.inline_limit import IN_A_ROW, LARGEST, SHORT, InlineLimit
from mlaas4hep.inference.execution.statistics import VersionStatistics
from mlaas4hep.inference.repository.model_json import Batching
from mlaas4hep.inference.settings import Limits
from tests.support.serving import failing, looping, put, scaler, serving


def execution(model: onnx.ModelProto, inline: int = 0, **limits: Any) -> tuple[Execution, VersionStatistics]:
    statistics = VersionStatistics()
    runtime = OnnxRuntime(model.SerializeToString(), 1)
    return Execution(runtime, Limits(**limits), InlineLimit("", inline), statistics), statistics


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
        made, _ = execution(looping(), inline=10, timeout=2.0)
        short, endless = np.array([[1.0]], np.float32), np.array([[1e18]], np.float32)
        assert made.inline({"x": short}, 1) is not None
        assert made.inline({"x": endless}, 1) is None
        assert made.inline_limit.rows == 0
        assert made.inline({"x": short}, 1) is None
        with pytest.raises(ModelTimeoutError, match=r"the model did not answer within 2 s"):
            await made.run({"x": endless}, 1)
        found, _, _ = await made.run({"x": short}, 1)
        assert found["y"].tolist() == [[1.0]]

    run(test)


def test_others_go_on_while_one_model_hangs() -> None:
    async def test() -> None:
        slow, _ = execution(looping(), timeout=5.0)
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
        made, _ = execution(looping(), timeout=3.0, queue=3)
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


def test_a_batch_that_is_late_is_told_to_all_its_callers_and_not_run_again() -> None:
    async def test() -> None:
        made, statistics = execution(looping(), timeout=3.0)
        made.batch(Batching(max_size=4, max_delay_ms=100))
        rows = [np.full((1, 1), value, np.float32) for value in (1, 1e18, 1, 1)]
        runs = 0

        def counted(*given: Any, **named: Any) -> Any:
            nonlocal runs
            runs += 1
            return once(*given, **named)

        once, made.runtime.run = made.runtime.run, counted  # type: ignore[method-assign]
        found = await asyncio.gather(*(made.run({"x": row}, 1) for row in rows), return_exceptions=True)
        assert [str(error) for error in found] == ["the model did not answer within 3 s"] * 4
        assert len({id(error) for error in found}) == 4
        assert runs == 1
        assert statistics.executions == 0

    run(test)


def test_a_caller_that_runs_again_alone_has_the_time_that_is_left() -> None:
    async def test() -> None:
        made, _ = execution(failing(), timeout=5.0)
        made.batch(Batching(max_size=4, max_delay_ms=1))
        given: list[float] = []
        once = made.runtime.run

        def timed(inputs: Any, outputs: Any = None, *, timeout: float | None = None) -> Any:
            assert timeout is not None
            given.append(timeout)
            return once(inputs, outputs, timeout=timeout)

        made.runtime.run = timed  # type: ignore[method-assign]
        rows = [np.full((2, 2), value, np.float32) for value in (1, 99)]
        await asyncio.gather(*(made.run({"x": row}, 2) for row in rows), return_exceptions=True)
        assert len(given) == 3
        assert max(given[1:]) < given[0] <= 5.0

    run(test)


def test_the_limit_is_told_as_it_was_configured() -> None:
    async def test() -> None:
        made, _ = execution(looping(), timeout=0.25)
        with pytest.raises(ModelTimeoutError, match=r"^the model did not answer within 0\.25 s$"):
            await made.run({"x": np.full((1, 1), 1e18, np.float32)}, 1)

    run(test)


class Starting(OnnxRuntime):
    """A worker that is being started again and does not end with that."""

    starting = True


def test_a_worker_that_starts_again_is_unavailable_not_late() -> None:
    async def test() -> None:
        runtime = Starting(looping().SerializeToString(), 1)
        made = Execution(runtime, Limits(timeout=0.2), InlineLimit("", 0), VersionStatistics())
        with pytest.raises(ModelUnavailableError, match="being started again; try again later"):
            await made.run({"x": np.full((1, 1), 1e18, np.float32)}, 1)

    run(test)


def test_a_model_that_only_seemed_slow_comes_back_to_the_loop() -> None:
    pace = InlineLimit("", 0)
    for rows in (1, 50, 200):
        pace.in_thread(rows, SHORT / 10)
    assert pace.rows == 1
    for _ in range(IN_A_ROW):
        pace.in_thread(200, SHORT / 2)
    assert pace.rows == 200


def test_a_model_that_only_seemed_fast_leaves_it() -> None:
    pace = InlineLimit("", 1000)
    for _ in range(IN_A_ROW):
        pace.in_loop(800, 10 * SHORT)
    assert pace.rows == 400
    pace.in_loop(400, 10 * SHORT)
    pace.in_loop(400, SHORT)  # one slow run is a busy machine
    pace.in_loop(400, 10 * SHORT)
    assert pace.rows == 400
    for _ in range(IN_A_ROW):
        pace.in_loop(1, 10 * SHORT)
    assert pace.rows == 0


def test_the_limit_is_capped_and_kept_where_it_is_fixed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "mlaas4hep.serve"):
        pace, never = InlineLimit("higgs version 3", 10**9), InlineLimit("", 0, fixed=True)
        assert pace.rows == LARGEST
        pace.bar(0.25)
        for _ in range(10):
            pace.in_thread(10, 0.0)  # barred: not yet
            never.in_thread(10, 0.0)
        assert (pace.rows, never.rows) == (0, 0)
    assert caplog.text.endswith(
        f"model higgs version 3: up to 0 rows are run in the event loop, {LARGEST} before; "
        "the last run took 250.00 ms (0 rows)\n"
    )


def test_the_estimate_of_a_fast_model_stays_near_what_was_measured(tmp_path: Path) -> None:
    async def inline_rows() -> int:
        put(tmp_path, "m", 1, 2.0)
        async with serving(tmp_path) as server:
            await server.look()
            await server.loaded()
            return int(server.gauges()[0]["inline_rows"])

    assert 0 < asyncio.run(inline_rows()) <= 4 * 256  # rows of the larger of two runs, four times
