from __future__ import annotations

import json
from pathlib import PurePosixPath

import numpy as np
import pytest
from pydantic import BaseModel

from mlaas4hep.bundle.canonical import json_bytes, plain


class Pair(BaseModel):
    z: int
    a: dict[str, int]


def test_the_order_of_keys_does_not_change_the_bytes() -> None:
    assert json_bytes({"b": 1, "a": {"y": 2, "x": 3}}) == json_bytes({"a": {"x": 3, "y": 2}, "b": 1})


def test_the_order_is_kept_where_asked_for() -> None:
    assert list(json.loads(json_bytes({"b": 1, "a": 2}, sort=False))) == ["b", "a"]


def test_a_model_keeps_the_order_of_its_fields() -> None:
    assert json_bytes(Pair(z=1, a={"q": 1, "p": 2})) == b'{\n "z": 1,\n "a": {\n  "p": 2,\n  "q": 1\n }\n}\n'


def test_numpy_paths_sets_and_infinities() -> None:
    value = {
        "array": np.array([[1, 2]], dtype=np.int16),
        "float": np.float32(0.5),
        "bool": np.bool_(True),
        "nan": float("nan"),
        "inf": [np.inf, -np.inf],
        "path": PurePosixPath("a/b"),
        "set": {2, 1},
        "tuple": (None,),
    }
    assert plain(value) == {
        "array": [[1, 2]],
        "float": 0.5,
        "bool": True,
        "nan": None,
        "inf": ["Infinity", "-Infinity"],
        "path": "a/b",
        "set": [1, 2],
        "tuple": [None],
    }


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="complex cannot be written as JSON"):
        plain(1j)
