"""Reading ahead: in order of need, within the budget, and never waiting for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.loader import Loader


@settings(max_examples=60)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 40), st.integers(1, 4))
def test_everything_is_given_and_no_more_is_held_than_the_budget_allows(
    sizes: list[int], budget: int, workers: int
) -> None:
    held = most = 0
    lock = threading.Lock()

    def read(number: int) -> int:
        nonlocal held, most
        with lock:
            held += sizes[number]
            most = max(most, held)
        return number * number

    order = list(range(len(sizes)))[::-1]
    with ThreadPoolExecutor(workers) as pool:
        loader = Loader(order, dict(enumerate(sizes)), read, pool=pool, budget=budget)
        for number in order:
            assert loader.get(number) == loader.get(number) == number * number
            with lock:
                held -= sizes[number]
            loader.release(number)
        loader.close()
    assert held == 0
    assert most <= max(budget, *sizes)


def test_what_is_needed_is_read_although_the_budget_is_spent() -> None:
    with ThreadPoolExecutor(2) as pool:
        loader = Loader([0, 1, 2, 3], dict.fromkeys(range(4), 10), lambda number: number, pool=pool, budget=5)
        assert [loader.get(number) for number in (3, 1, 0, 2)] == [3, 1, 0, 2]  # nothing was released
        loader.close()


def test_an_error_is_raised_for_its_range_alone() -> None:
    def read(number: int) -> int:
        if number == 1:
            msg = "no"
            raise OSError(msg)
        return number

    with ThreadPoolExecutor(2) as pool:
        loader = Loader([0, 1, 2], dict.fromkeys(range(3), 1), read, pool=pool, budget=10)
        assert (loader.get(0), loader.get(2)) == (0, 2)
        with pytest.raises(OSError, match="no"):
            loader.get(1)
        loader.close()


def test_what_is_at_hand_is_not_read() -> None:
    read: list[int] = []

    def note(number: int) -> int:
        read.append(number)
        return number

    with ThreadPoolExecutor(2) as pool:
        there = {0: 100, 2: 0}
        loader = Loader([0, 1, 2], dict.fromkeys(range(3), 1), note, pool=pool, budget=10, at_hand=there.get)
        assert [loader.get(number) for number in (2, 1, 0)] == [0, 1, 100]
        loader.close()
    assert read == [1]


def test_close_waits_for_what_is_read_and_starts_nothing_more() -> None:
    started, go = threading.Event(), threading.Event()
    read: list[int] = []

    def slow(number: int) -> int:
        started.set()
        assert go.wait(30)
        read.append(number)
        return number

    with ThreadPoolExecutor(1) as pool:
        loader = Loader(list(range(50)), dict.fromkeys(range(50), 1), slow, pool=pool, budget=50)
        waiting = threading.Thread(target=lambda: loader.get(0))
        waiting.start()
        assert started.wait(30)
        with loader._lock:  # until all are submitted
            rest = [loader._futures[number] for number in range(1, 50)]
        closing = threading.Thread(target=loader.close)
        closing.start()
        while not all(future.cancelled() for future in rest):
            assert closing.is_alive()
        assert closing.is_alive()  # for the one that was begun
        go.set()
        closing.join(30)
        waiting.join(30)
        assert not closing.is_alive()
    assert read == [0]


@given(st.integers(1, 2**45), st.integers(1, 10**6), st.integers(1, 64), st.integers(1, 2**40))
def test_the_shares_of_a_budget_stay_below_it(limit: int, row: int, workers: int, chunk: int) -> None:
    budget = Budget(limit)
    window, chunks, ahead = budget.window(row), budget.chunk(row), budget.ahead(chunk, workers)
    assert min(window, chunks, ahead) >= 1
    assert ahead <= 2 * workers
    used = 2 * window * row + chunks * row + ahead * chunk
    assert budget.keep + used <= limit or 1 in {window, chunks, ahead}
    assert Budget(2 * limit).window(row) >= window
