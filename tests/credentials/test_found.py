"""What is said about the validity of a credential."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.credentials.found import Credential, duration

UNITS = {"day": 86400, "days": 86400, "h": 3600, "min": 60, "s": 1}


@given(st.floats(0, 1e9))
def test_a_duration_is_right_to_its_second_unit(seconds: float) -> None:
    words = re.findall(r"(\d+) (\w+)", duration(seconds))
    total = sum(int(number) * UNITS[unit] for number, unit in words)
    largest = UNITS[words[0][1]]
    assert total <= seconds < total + max(largest / 24 if largest > 60 else 1, 1)
    assert len(words) <= 2


@given(expires=st.floats(0, 4e9), now=st.floats(0, 4e9))
def test_expired_or_valid(expires: float, now: float) -> None:
    credential = Credential("token", "here", expires)
    assert credential.expired(now) == (now >= expires)
    assert credential.validity(now).startswith("expired" if now >= expires else "valid for")


@pytest.mark.parametrize("expires", [float("inf"), 1e300, -1e300])
def test_a_date_that_no_calendar_has(expires: float) -> None:
    credential = Credential("token", "here", expires if expires != float("inf") else 1e15)
    assert "a date out of range" in credential.validity(0)


def test_what_is_wrong_with_it() -> None:
    assert Credential("proxy", "here", 10, problem="holds nothing").validity(5) == "holds nothing"
    assert Credential("proxy", "here", 10, problem="holds nothing").validity(11).startswith("expired 1 s ago")
