"""Large JSON bodies are weighed before they are decoded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mlaas4hep.errors.serving import TooLargeError
from mlaas4hep.web.bodies import SMALL_JSON, check_json, decode_json

LIMIT = 64 * 2**20


@pytest.mark.parametrize("item", [b'{"a":0},', b"[],", b'"ab",', b"1,", b'"":0,'])
def test_many_small_things(item: bytes) -> None:
    with pytest.raises(TooLargeError, match="holds too many values"):
        check_json(item * (LIMIT // len(item)))
    check_json(item * (SMALL_JSON // len(item)))


def test_rows_of_numbers_up_to_the_limit_of_bodies() -> None:
    rows = np.random.default_rng(1).normal(50, 20, (1000, 42)).astype(np.float32).tolist()
    part = json.dumps(rows).encode()
    check_json(part * (LIMIT // len(part)))


def test_events_of_half_that_size() -> None:
    rng = np.random.default_rng(1)
    event = {f"Branch_{i}": float(np.float32(rng.normal(50, 20))) for i in range(20)}
    event |= {f"Jagged_{i}": rng.normal(50, 20, 5).round(3).tolist() for i in range(10)}
    part = json.dumps(event).encode()
    check_json(part * (LIMIT // 2 // len(part)))


def test_what_fits_is_decoded() -> None:
    assert decode_json(b'{"a": [1, NaN]}')["a"][0] == 1
