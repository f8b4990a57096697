"""Calls that are gathered: each gets its own result, and none is held back for long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial

import pytest

from mlaas4hep.inference.grpc.turns import SELDOM, SOON, WORTH, Turns

NAME: ContextVar[str] = ContextVar("name", default="")


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 60)

    asyncio.run(limited())


async def gathering() -> Turns:
    """Turns under load."""
    turns = Turns()
    while not turns.gathering:
        await asyncio.gather(*(turns.do(lambda: None) for _ in range(SOON + 2 * WORTH)))
    return turns


def test_a_call_that_is_alone_goes_on_at_once() -> None:
    async def test() -> None:
        turns = Turns()
        held = 0
        for number in range(5 * SELDOM):
            call = asyncio.ensure_future(turns.do(partial(int, number)))
            await asyncio.sleep(0)
            held += not call.done()
            assert await call == number
        assert 0 < held < 15

    run(test)


def test_each_of_many_gets_its_own_result_or_error() -> None:
    def work(number: int) -> str:
        if number % 7 == 3:
            raise ValueError(number)
        return f"{NAME.get()} {number}"

    async def call(turns: Turns, number: int) -> str:
        NAME.set(f"call {number}")
        return await turns.do(partial(work, number))

    async def test() -> None:
        turns = await gathering()
        found = await asyncio.gather(*(call(turns, number) for number in range(500)), return_exceptions=True)
        for number, answer in enumerate(found):
            if number % 7 == 3:
                assert isinstance(answer, ValueError)
                assert answer.args == (number,)
            else:
                assert answer == f"call {number} {number}"

    run(test)


def test_calls_are_not_gathered_any_more_when_few_come() -> None:
    async def test() -> None:
        turns = await gathering()
        for _ in range(1000):
            await turns.do(lambda: None)
            if not turns.gathering:
                return
        pytest.fail("still gathered")

    run(test)


def test_what_is_to_be_awaited_ends_although_its_caller_has_gone() -> None:
    async def test() -> None:
        turns = await gathering()
        ended = asyncio.Event()
        calls: list[asyncio.Task[object]] = []

        async def later() -> None:
            ended.set()

        def work() -> object:
            calls[0].cancel()  # as late as a caller can go
            return later()

        async def call() -> object:
            return await turns.do(work)

        calls.append(asyncio.create_task(call()))
        with pytest.raises(asyncio.CancelledError):
            await calls[0]
        await ended.wait()

    run(test)


def test_a_caller_that_has_gone_before_its_turn_costs_nothing() -> None:
    async def test() -> None:
        turns = await gathering()
        done: list[int] = []
        gone = asyncio.create_task(turns.do(partial(done.append, 1)))
        stays = asyncio.create_task(turns.do(partial(done.append, 2)))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        assert done == [2]

    run(test)
