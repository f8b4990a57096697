from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mlaas4hep.config.fields import Bytes, Files, LabelValue, Lengths, Names, Numbers, names_of


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1024, 1024),
        ("1000", 1000),
        ("12 B", 12),
        ("2 GB", 2_000_000_000),
        ("2gb", 2_000_000_000),
        ("500MB", 500_000_000),
        ("1.5 kB", 1500),
        ("3 G", 3_000_000_000),
        ("1 MiB", 2**20),
        ("0.5 TiB", 2**39),
    ],
)
def test_bytes(text: object, size: int) -> None:
    assert read(Bytes, text) == size


@pytest.mark.parametrize("text", ["", "much", "2 apples", "-1 GB", "1e9", "GB"])
def test_bytes_that_are_none(text: str) -> None:
    with pytest.raises(ValidationError, match="should be a number of bytes, or a size such as '2 GB' or '500 MiB'"):
        read(Bytes, text)


def test_names_take_commas_and_lists() -> None:
    assert read(Names, "run, event ,") == ("run", "event")
    assert read(Names, ["run", "event"]) == ("run", "event")
    assert read(Names, "") == ()
    assert names_of(3) == 3


def test_a_comma_belongs_to_the_name_of_a_file() -> None:
    assert read(Files, "data/a,b.root") == ("data/a,b.root",)
    assert read(Files, ["a.root", "b.root"]) == ("a.root", "b.root")


def test_numbers_take_one_and_drop_what_is_always_missing() -> None:
    assert read(Numbers, -999) == (-999.0,)
    assert read(Numbers, [float("nan"), -1, float("inf"), 2.5]) == (-1.0, 2.5)


def test_one_length_is_for_all() -> None:
    assert read(Lengths, 4) == {"default": 4}
    assert read(Lengths, {"Jet_pt": 6}) == {"Jet_pt": 6}


@settings(deadline=None)
@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(min_size=1)))
def test_a_label_keeps_value_and_type(label: float | str) -> None:
    found = read(LabelValue, label)
    assert found == label
    assert type(found) is type(label)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        (True, "should be a name or a number"),
        ([1], "should be a name or a number"),
        (float("nan"), "should be a finite number"),
        (float("inf"), "should be a finite number"),
        ("", "is empty"),
    ],
)
def test_labels_that_are_none(label: object, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        read(LabelValue, label)
