"""Batching on its own: sizes, delays, errors, cancelled callers, the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors.serving import ModelFailedError, TooManyRequestsError
from mlaas4hep.frameworks.tensors import Tensors
from mlaas4hep.inference.execution.batching import Answer, Batcher

FOREVER = 60.0


class Doubling:
    """A model that doubles its input, fails on negative values, and notes the sizes of its runs."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None, _since: int) -> Answer:
        await self.gate.wait()
        self.sizes.append(rows)
        assert len(inputs["x"]) == rows
        if (inputs["x"] < 0).any():
            raise ModelFailedError("negative")
        return dict.fromkeys(outputs or ("y",), inputs["x"] * 2), 5, 7


def x(*values: float) -> dict[str, Any]:
    return {"x": np.array(values, np.float32)[:, None]}


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 30)

    asyncio.run(limited())


def test_a_full_batch_does_not_wait() -> None:
    async def test() -> None:
        model = Doubling()
        batcher = Batcher(model, max_size=6, max_delay=FOREVER, queue=100)
        found = await asyncio.gather(*(batcher.submit(x(i, i + 0.5), 2) for i in range(3)))
        assert model.sizes == [6]
        for i, (outputs, queued, infer) in enumerate(found):
            np.testing.assert_array_equal(outputs["y"], np.array([[2 * i], [2 * i + 1]], np.float32))
            assert queued >= 5
            assert infer == 7
        assert batcher.waiting == 0

    run(test)


def test_the_delay_ends_the_waiting() -> None:
    async def test() -> None:
        model = Doubling()
        batcher = Batcher(model, max_size=1000, max_delay=0.001, queue=100)
        await asyncio.gather(*(batcher.submit(x(i), 1) for i in range(5)))
        assert model.sizes == [5]

    run(test)


def test_requests_are_never_split() -> None:
    async def test() -> None:
        model = Doubling()
        batcher = Batcher(model, max_size=5, max_delay=0.001, queue=100)
        await asyncio.gather(*(batcher.submit(x(*range(rows)), rows) for rows in (3, 3, 4, 1)))
        assert sum(model.sizes) == 11
        assert max(model.sizes) <= 5

    run(test)


def test_a_bad_request_does_not_spoil_others() -> None:
    async def test() -> None:
        model = Doubling()
        batcher = Batcher(model, max_size=4, max_delay=FOREVER, queue=100)
        found = await asyncio.gather(*(batcher.submit(x(v), 1) for v in (1, -1, 2, 3)), return_exceptions=True)
        assert model.sizes == [4, 1, 1, 1, 1]
        assert isinstance(found[1], ModelFailedError)
        for value, answer in ((1, found[0]), (2, found[2]), (3, found[3])):
            assert isinstance(answer, tuple)
            assert answer[0]["y"].tolist() == [[2.0 * value]]

    run(test)


def test_an_output_without_a_row_for_each_row_is_not_shared() -> None:
    async def test() -> None:
        async def total(inputs: Tensors, _rows: int, _outputs: Sequence[str] | None, _since: int) -> Answer:
            return {"y": inputs["x"].sum(keepdims=True)}, 0, 0

        batcher = Batcher(total, max_size=2, max_delay=FOREVER, queue=100)
        found = await asyncio.gather(batcher.submit(x(1), 1), batcher.submit(x(5), 1))
        assert [answer[0]["y"].tolist() for answer in found] == [[[1.0]], [[5.0]]]

    run(test)


def test_callers_that_go_away_do_not_disturb() -> None:
    async def test() -> None:
        model = Doubling()
        batcher = Batcher(model, max_size=3, max_delay=FOREVER, queue=100)
        gone = asyncio.create_task(batcher.submit(x(9), 1))
        stays = asyncio.create_task(batcher.submit(x(1), 1))
        await asyncio.sleep(0)
        gone.cancel()
        last = await batcher.submit(x(2), 1)
        assert model.sizes == [2]
        assert (await stays)[0]["y"].tolist() == [[2.0]]
        assert last[0]["y"].tolist() == [[4.0]]
        assert gone.cancelled()

    run(test)


def test_gone_while_the_batch_runs() -> None:
    async def test() -> None:
        model = Doubling()
        model.gate.clear()
        batcher = Batcher(model, max_size=2, max_delay=FOREVER, queue=100)
        gone, stays = (asyncio.create_task(batcher.submit(x(v), 1)) for v in (1, 2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gone.cancel()
        model.gate.set()
        assert (await stays)[0]["y"].tolist() == [[4.0]]

    run(test)


def test_different_tensors_and_outputs_do_not_mix() -> None:
    async def test() -> None:
        model = Doubling()
        batcher = Batcher(model, max_size=2, max_delay=FOREVER, queue=100)
        wide = {"x": np.ones((1, 3), np.float32)}
        double = {"x": np.ones((1, 1), np.float64)}
        tasks = [
            asyncio.create_task(batcher.submit(inputs, 1, outputs))
            for inputs, outputs in ((x(1), None), (wide, None), (double, None), (x(1), ["z"]))
            for _ in range(2)
        ]
        found = await asyncio.gather(*tasks)
        assert model.sizes == [2, 2, 2, 2]
        assert [list(answer[0]) for answer in found] == [["y"]] * 6 + [["z"]] * 2

    run(test)


def test_only_so_many_rows_may_wait() -> None:
    async def test() -> None:
        batcher = Batcher(Doubling(), max_size=100, max_delay=FOREVER, queue=5)
        tasks = [asyncio.create_task(batcher.submit(x(1, 2), 2)) for _ in range(2)]
        await asyncio.sleep(0)
        assert batcher.waiting == 4
        with pytest.raises(TooManyRequestsError, match="4 rows wait for this model already; try again later"):
            await batcher.submit(x(1, 2), 2)
        await batcher.drain()
        assert all(task.done() for task in tasks)
        assert batcher.waiting == 0

    run(test)


def test_drain_runs_what_waits_at_once() -> None:
    async def test() -> None:
        model = Doubling()
        batcher = Batcher(model, max_size=100, max_delay=FOREVER, queue=100)
        task = asyncio.create_task(batcher.submit(x(1), 1))
        await asyncio.sleep(0)
        await batcher.drain()
        assert (await task)[0]["y"].tolist() == [[2.0]]
        await batcher.drain()

    run(test)
