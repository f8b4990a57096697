"""Memory that is used again: never while somebody still looks at it."""

from __future__ import annotations

import gc
import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlaas4hep.streaming.dataset.buffers import Buffers


def address(array: NDArray[np.float32]) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_is_used_again_after_the_last_view() -> None:
    buffers = Buffers(2**30)
    first = buffers.take(1000, 7)
    place = address(first)
    view = first[10:20]
    del first
    gc.collect()
    assert address(buffers.take(1000, 7)) != place  # somebody has a view
    del view
    gc.collect()
    assert address(buffers.take(1000, 7)) == place


def test_views_of_views_keep_the_memory() -> None:
    buffers = Buffers(2**30)
    array = buffers.take(100, 4)
    array[:] = 3
    row = array[5:][::2][1].view(np.int32)
    del array
    others = [buffers.take(100, 4) for _ in range(5)]
    for other in others:
        other[:] = 0
    assert (row.view(np.float32) == 3).all()


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 50), st.booleans()), max_size=30))
def test_arrays_in_use_never_share_memory(wishes: list[tuple[int, int, bool]]) -> None:
    buffers = Buffers(2**20)
    held: list[tuple[NDArray[np.float32], int]] = []
    for number, (rows, width, keep) in enumerate(wishes):
        array = buffers.take(rows, width)
        assert array.shape == (rows, width)
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.writeable
        array[:] = number
        if keep:
            held.append((array, number))
        del array
    for array, number in held:
        assert (array == number).all()


def test_no_more_lies_idle_than_wanted() -> None:
    buffers = Buffers(10_000)
    many = [buffers.take(1000, 1) for _ in range(10)]
    places = {address(array) for array in many}
    del many
    again = [buffers.take(1000, 1) for _ in range(10)]
    assert len(places & {address(array) for array in again}) >= 2
    assert buffers._idle == 0
    del again
    assert buffers._idle <= 10_000


def test_many_threads() -> None:
    buffers = Buffers(2**24)
    wrong: list[int] = []

    def work(number: int) -> None:
        for step in range(300):
            array = buffers.take(50 + step % 7, 30)
            array[:] = number
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_somewhat_larger_memory_is_used_again() -> None:
    buffers = Buffers(2**30)
    place = address(buffers.take(12_000, 100))
    assert address(buffers.take(11_000, 100)) == place
    assert address(buffers.take(6_000, 100)) != place


def test_sizes_of_the_past_give_way() -> None:
    buffers = Buffers(8 * 2**20)
    many = [buffers.take(1024, 512) for _ in range(4)]
    del many
    assert buffers._idle == 8 * 2**20
    other = buffers.take(1024, 1024)
    assert buffers._idle <= 4 * 2**20
    place = address(other)
    del other
    assert address(buffers.take(1024, 1024)) == place
