from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from mlaas4hep.sandbox.messages import MessageError, receive, send

NUMBERS = nps.scalar_dtypes().filter(lambda dtype: dtype.kind in "biuf" and dtype.itemsize <= 8)
ARRAYS = nps.arrays(NUMBERS.map(lambda dtype: dtype.newbyteorder("=")), nps.array_shapes(min_dims=0, min_side=0))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@given(array=ARRAYS, head=st.dictionaries(st.text().filter(lambda t: t != "arrays"), st.integers() | st.text()))
def test_what_is_sent_arrives(array: NDArray[Any], head: dict[str, Any]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, head, {"x": array, "again": array.T})
        back, arrays = receive(theirs, 2**24)
    assert back == head
    for name, sent in (("x", array), ("again", array.T)):
        assert arrays[name].dtype == sent.dtype
        assert np.array_equal(arrays[name], sent, equal_nan=sent.dtype.kind == "f")
        assert arrays[name].shape == sent.shape


def test_strings(pair: tuple[socket.socket, socket.socket]) -> None:
    send(pair[0], {}, {"a": np.array([["é", "b"]], object), "b": np.array(["x"]), "c": np.array([b"raw"], object)})
    _, arrays = receive(pair[1], 100)
    assert arrays["a"].tolist() == [["é", "b"]]
    assert arrays["b"].tolist() == ["x"]
    assert arrays["c"].tolist() == ["raw"]


def test_large_arrays_and_deadlines(pair: tuple[socket.socket, socket.socket]) -> None:
    array = np.arange(10**6, dtype=np.float64)
    deadline = time.monotonic() + 60
    thread = threading.Thread(target=send, args=(pair[0], {"k": 1}, {"x": array}, deadline))
    thread.start()
    head, arrays = receive(pair[1], array.nbytes, deadline)
    thread.join()
    assert head == {"k": 1}
    assert np.array_equal(arrays["x"], array)


def test_nobody_answers(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        receive(pair[0], 100, time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        receive(pair[0], 100, time.monotonic() - 1)
    with pytest.raises(TimeoutError):
        send(pair[0], {}, {"x": np.zeros(10**7)}, time.monotonic() + 0.05)


def test_the_other_side_is_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[1].close()
    with pytest.raises(EOFError):
        receive(pair[0], 100)


def test_unknown_types_are_not_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(MessageError, match="z is of the type complex128"):
        send(pair[0], {}, {"z": np.zeros(2, complex)})


@pytest.mark.parametrize(
    "head",
    [
        {"arrays": [{"name": "x", "dtype": "float64", "shape": [1000]}]},
        {"arrays": [{"name": "x", "dtype": "float64", "shape": [-1]}]},
        {"arrays": [{"name": "x", "dtype": "O", "shape": [1]}]},
        {"arrays": [{"name": "x", "dtype": "nonsense", "shape": [1]}]},
        {"arrays": [{"dtype": "float64"}]},
        {"arrays": 3},
        {},
        [1],
    ],
)
def test_nonsense_is_refused(pair: tuple[socket.socket, socket.socket], head: Any) -> None:
    text = json.dumps(head).encode()
    pair[0].sendall(struct.pack("<Q", len(text)) + text)
    with pytest.raises(MessageError):
        receive(pair[1], 100)


def test_absurd_length_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].sendall(b"\xff" * 8)
    with pytest.raises(MessageError, match="a head of"):
        receive(pair[1], 100)
