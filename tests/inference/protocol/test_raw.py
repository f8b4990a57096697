from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.protocol import raw
from mlaas4hep.inference.protocol.datatypes import DTYPES, datatype_of

NUMBERS = [dtype for name, dtype in DTYPES.items() if name != "BYTES"]


@given(
    st.sampled_from(NUMBERS).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_side=0))), st.integers(0, 9)
)
def test_numbers_come_back_from_any_place_in_a_buffer(array: np.ndarray[Any, Any], offset: int) -> None:
    data = bytes(offset) + array.tobytes() + b"behind"
    back = raw.decode("x", datatype_of(array), array.shape, data, offset, array.nbytes)
    np.testing.assert_array_equal(back, array)
    assert back.flags.aligned
    assert back.dtype == array.dtype
    assert raw.encode(back) == array.tobytes()


@given(st.lists(st.text()))
def test_strings_come_back(texts: list[str]) -> None:
    array = np.empty(len(texts), object)
    array[:] = texts
    data = raw.encode(array)
    assert data == b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    assert raw.decode("x", "BYTES", [len(texts)], data).tolist() == texts


def test_an_aligned_tensor_is_not_copied() -> None:
    data = np.arange(6, dtype=np.float32).tobytes()
    array = raw.decode("x", "FP32", [2, 3], data)
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    assert not array.flags.writeable


def test_any_byte_but_zero_is_true() -> None:
    assert raw.decode("x", "BOOL", [3], b"\x00\x01\x07").tolist() == [False, True, True]


def test_rows_out_of_order_in_memory_and_big_endian_numbers_are_sent_row_major_little_endian() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3).T
    assert raw.encode(array) == struct.pack("<6i", 0, 3, 1, 4, 2, 5)


def test_text_arrays_of_numpy_are_bytes() -> None:
    assert raw.encode(np.array(["ab"])) == raw.encode(np.array([b"ab"])) == b"\x02\x00\x00\x00ab"


def test_size_and_shape_differ() -> None:
    with pytest.raises(BadRequestError, match=r"tensor 'x': FP32 of shape \[2, 3\] takes 24 bytes, but there are 20"):
        raw.decode("x", "FP32", [2, 3], bytes(20))


def test_more_announced_than_there() -> None:
    with pytest.raises(BadRequestError, match="tensor 'x': 24 bytes are announced, but 20 are left"):
        raw.decode("x", "FP32", [2, 3], bytes(30), 10, 24)


@pytest.mark.parametrize("data", [b"\x01", b"\x05\x00\x00\x00ab", b"\xff\xff\xff\xffab"])
def test_an_element_cut_short(data: bytes) -> None:
    with pytest.raises(BadRequestError, match="tensor 'x': the last element is cut short"):
        raw.decode("x", "BYTES", [1], data)


def test_elements_and_shape_differ() -> None:
    with pytest.raises(BadRequestError, match=r"tensor 'x': BYTES of shape \[2\] has 2 elements, but there are 1"):
        raw.decode("x", "BYTES", [2], b"\x01\x00\x00\x00a")


def test_elements_that_are_no_text() -> None:
    with pytest.raises(BadRequestError, match="tensor 'x': the elements must be UTF-8"):
        raw.decode("x", "BYTES", [1], b"\x01\x00\x00\x00\xff")
