"""Functions over tasks, in threads: order, read-ahead, stopping, errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mlaas4hep.streaming.execution import Executor


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_in_the_order_of_the_items(workers: int) -> None:
    first = threading.Event()

    def slow_first(item: int) -> int:
        if workers > 1 and item == 0:
            first.wait(10)  # until a later item has been worked on
        else:
            first.set()
        return item * item

    assert list(Executor(workers).map(slow_first, range(20))) == [n * n for n in range(20)]
    assert list(Executor(workers).map(slow_first, [])) == []


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_first_error_is_raised_at_its_place_and_ends_the_work(workers: int) -> None:
    started: list[int] = []

    def fail(item: int) -> int:
        started.append(item)
        if item in {5, 6}:
            msg = f"item {item}"
            raise ValueError(msg)
        return item

    results: list[int] = []

    def collect() -> None:
        for result in Executor(workers).map(fail, range(1000)):
            results.append(result)

    with pytest.raises(ValueError, match="item 5"):
        collect()
    assert results == list(range(5))
    assert max(started) <= 5 + 2 * workers


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_items_are_taken_at_most_two_ahead_for_each_worker(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    for result in Executor(workers).map(lambda item: item, items()):
        assert len(taken) <= result + 1 + 2 * workers
    assert len(taken) == 100


@pytest.mark.parametrize("workers", [1, 3])
def test_a_consumer_that_stops_stops_the_work(workers: int) -> None:
    started: list[int] = []

    def note(item: int) -> int:
        started.append(item)
        return item

    results = Executor(workers).map(note, range(1000))
    assert next(results) == 0
    results.close()
    assert len(started) <= 1 + 2 * workers
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mlaas4hep-work")]


def test_items_are_worked_on_at_the_same_time() -> None:
    both = threading.Barrier(2)
    assert list(Executor(2).map(lambda _item: both.wait(10) >= 0, range(2))) == [True, True]


def test_one_worker_with_items_ahead_works_in_a_thread() -> None:
    threads: set[int] = set()

    def note(item: int) -> int:
        threads.add(threading.get_ident())
        return item

    assert list(Executor(1).map(note, range(5), 2)) == list(range(5))
    assert threading.get_ident() not in threads
