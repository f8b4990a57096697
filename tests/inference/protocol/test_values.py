from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.protocol import values
from mlaas4hep.inference.protocol.datatypes import DTYPES, datatype_of

NUMBERS = [dtype for name, dtype in DTYPES.items() if name != "BYTES"]
ARRAYS = st.sampled_from(NUMBERS).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_side=1)))


@given(ARRAYS, st.booleans())
def test_numbers_come_back_flat_and_nested(array: np.ndarray[Any, Any], nested: bool) -> None:
    data = array.tolist() if nested else array.ravel().tolist()
    back = values.decode("x", datatype_of(array), list(array.shape), data)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


@given(ARRAYS)
def test_what_is_sent_as_json_is_read_again(array: np.ndarray[Any, Any]) -> None:
    if array.dtype.kind == "f":
        array = np.where(np.isinf(array), np.nan, array).astype(array.dtype)
    text = orjson.dumps(values.encode(array), option=orjson.OPT_SERIALIZE_NUMPY)
    back = values.decode("x", datatype_of(array), list(array.shape), orjson.loads(text))
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_null_is_nan(datatype: str) -> None:
    array = values.decode("x", datatype, [2, 2], [[1.5, None], [math.nan, 3]])
    np.testing.assert_array_equal(array, np.array([[1.5, np.nan], [np.nan, 3]], DTYPES[datatype]))


def test_integers_of_64_bits() -> None:
    assert values.decode("x", "UINT64", [2], [1, 2**64 - 1]).tolist() == [1, 2**64 - 1]
    assert values.decode("x", "FP64", [2], [1, 2**64]).tolist() == [1.0, 2.0**64]


def test_infinity_stays() -> None:
    assert values.decode("x", "FP32", [2], [math.inf, -math.inf]).tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize("shape", [[0], [0, 3]])
def test_no_rows(shape: list[int]) -> None:
    array = values.decode("x", "INT32", shape, [])
    assert array.shape == tuple(shape)
    assert array.dtype == np.int32


@pytest.mark.parametrize("data", [["a", "b", "c", "d"], [["a", "b"], ["c", "d"]]])
def test_strings(data: list[Any]) -> None:
    assert values.decode("x", "BYTES", [2, 2], data).tolist() == [["a", "b"], ["c", "d"]]
    assert values.encode(np.array([["a", b"b"]], object)) == ["a", "b"]


@pytest.mark.parametrize(
    ("datatype", "data", "problem"),
    [
        ("FP32", ["1.5", "2"], "holds '1.5', which is not FP32"),
        ("FP32", [True, False], "holds True, which is not FP32"),
        ("FP32", [None, True], "holds True, which is not FP32"),
        ("FP32", [None, "a"], "holds 'a', which is not FP32"),
        ("FP32", [{}, {}], "holds {}, which is not FP32"),
        ("INT32", [1.5, 2], "holds 1.5, which is not INT32"),
        ("INT32", [1, None], "holds null, which is not INT32"),
        ("BOOL", [0, 1], "holds 0, which is not BOOL"),
        ("INT64", [2**63, 1.0], "holds 1.0, which is not INT64"),
        ("INT8", [1, 128], "out of the range of INT8"),
        ("UINT16", [-1, 1], "out of the range of UINT16"),
        ("INT64", [1, 2**63], "out of the range of INT64"),
        ("UINT64", [1, 2**64], "out of the range of UINT64"),
        ("FP16", [1, 70000.0], "out of the range of FP16"),
        ("FP32", [1, 1e39], "out of the range of FP32"),
        ("FP64", [1, 10**400], "out of the range of FP64"),
        ("FP32", [1, 10**400], "out of the range of FP32"),
        ("FP32", [[1], [2, 3]], "the lists of the data differ in length"),
        ("FP32", [1, 2, 3], r"the data has the shape \[3\], not \[2\]"),
        ("FP32", [[1, 2]], r"the data has the shape \[1, 2\], not \[2\]; send it nested as the shape, or flat"),
        ("FP32", {"a": 1}, "the data must be a list"),
        ("FP32", 1.0, "the data must be a list"),
        ("FP32", None, "the data must be a list"),
        ("BYTES", ["a", 1], "the data must be strings"),
        ("BYTES", ["a"], r"BYTES of shape \[2\] has 2 elements, but there are 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(datatype: str, data: Any, problem: str) -> None:
    with pytest.raises(BadRequestError, match=f"tensor 'x': .*{problem}"):
        values.decode("x", datatype, [2], data)


def test_lists_too_deep_for_an_array() -> None:
    data: list[Any] = [1.0]
    for _ in range(200):
        data = [data]
    with pytest.raises(BadRequestError, match="tensor 'x'"):
        values.decode("x", "FP32", [1], data)
