from __future__ import annotations

import numpy as np
import pytest

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.protocol.datatypes import DTYPES, check_shape, datatype_of, datatype_of_spec, dtype_of, shaped


def test_every_datatype_is_found_from_its_array() -> None:
    for name, dtype in DTYPES.items():
        assert dtype_of("x", name) == dtype
        assert datatype_of(np.empty(0, dtype)) == name


def test_sizes_in_bytes_are_those_of_the_names() -> None:
    for name, dtype in DTYPES.items():
        digits = "".join(letter for letter in name if letter.isdigit())
        if digits:
            assert dtype.itemsize * 8 == int(digits)


@pytest.mark.parametrize(("array", "name"), [(np.array(["a"]), "BYTES"), (np.array([b"a"]), "BYTES")])
def test_all_kinds_of_strings_are_bytes(array: np.ndarray, name: str) -> None:
    assert datatype_of(array) == name


def test_big_endian_arrays_have_the_same_datatype() -> None:
    assert datatype_of(np.zeros(1, ">f4")) == "FP32"


@pytest.mark.parametrize(
    ("dtype", "name"), [("float32", "FP32"), ("object", "BYTES"), ("str", "BYTES"), ("bool", "BOOL")]
)
def test_datatypes_of_numpy_names(dtype: str, name: str) -> None:
    assert datatype_of_spec(dtype) == name


def test_a_dtype_without_datatype_is_refused() -> None:
    with pytest.raises(BadRequestError, match="no datatype for complex64"):
        datatype_of_spec("complex64")
    with pytest.raises(BadRequestError, match="no datatype for bfloat16"):
        datatype_of_spec("bfloat16")


def test_bfloat16_is_refused_with_a_way_out() -> None:
    with pytest.raises(BadRequestError, match=r"tensor 'x': datatype BF16 is not supported; send FP32"):
        dtype_of("x", "BF16")


@pytest.mark.parametrize("datatype", ["FP8", "fp32", "", None, 3, []])
def test_an_unknown_datatype_names_the_tensor(datatype: object) -> None:
    with pytest.raises(BadRequestError, match=r"tensor 'x': there is no datatype .*; there are BOOL, UINT8"):
        dtype_of("x", datatype)


@pytest.mark.parametrize(("shape", "count"), [([], 1), ([0], 0), ([2, 3], 6), ((4, 1), 4), ([10**12, 10**12], 10**24)])
def test_number_of_values(shape: list[int], count: int) -> None:
    assert check_shape("x", shape) == count


@pytest.mark.parametrize("shape", [[-1, 3], [1.0], [True], ["1"], [2**63], [None]])
def test_a_size_that_is_none(shape: list[object]) -> None:
    with pytest.raises(BadRequestError, match=r"tensor 'x': .* in the shape is not a size"):
        check_shape("x", shape)


@pytest.mark.parametrize("shape", [None, 3, "12", {"a": 1}])
def test_a_shape_that_is_no_list(shape: object) -> None:
    with pytest.raises(BadRequestError, match="tensor 'x': the shape must be a list of integers"):
        check_shape("x", shape)


@pytest.mark.parametrize("shape", [[0, *[2**62] * 2], [1] * 100])
def test_shapes_numpy_cannot_have(shape: list[int]) -> None:
    with pytest.raises(BadRequestError, match=r"tensor 'x': the shape .* is not possible"):
        shaped("x", np.zeros(check_shape("x", shape)), shape)
