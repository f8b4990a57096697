"""Keys of contents."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.streaming.cache import Cache, Json, content_key
from tests.streaming.cache.contents import SHAPE

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def strict(value: Any) -> Any:
    """A value that is equal to another one only if they are the same JSON."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    return [strict(item) for item in value] if isinstance(value, list) else (type(value).__name__, repr(value))


@given(VALUES, VALUES)
def test_keys_differ_when_contents_do(one: Any, other: Any) -> None:
    assert (content_key({"a": one}) == content_key({"a": other})) == (strict(one) == strict(other))


def test_order_of_names_and_kind_of_sequence_do_not_matter() -> None:
    assert content_key({"a": 1, "b": (1, "ü\ud800")}) == content_key({"b": [1, "ü\ud800"], "a": 1})


@pytest.mark.parametrize("parts", [{1: 2}, {"a": {None: 1}}, {"a": [{1.5: 1}]}, {"a": b"x"}, {"a": {1, 2}}])
def test_what_is_no_json_has_no_key(parts: Any) -> None:
    with pytest.raises(TypeError):
        content_key(parts)


def test_other_processes_find_the_same_key() -> None:
    parts: dict[str, Json] = {"names": ["a", "b"], "cut": 1e-300, "seed": None}
    code = f"from mlaas4hep.streaming.cache import content_key; print(content_key({parts!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == content_key(parts)


@pytest.mark.parametrize(
    "key", ["", "abc", "../../etc/passwd0000", "0" * 15 + "/", "0" * 129, "A" * 40, "0" * 40 + "\n"]
)
def test_what_is_no_key_is_refused(cache: Cache, key: str) -> None:
    for ask in (lambda: cache.open(key, SHAPE), lambda: cache.create(key, SHAPE), lambda: cache.document(key)):
        with pytest.raises(ValueError, match="is not a key"):
            ask()
    with pytest.raises(ValueError, match="is not a key"):
        cache.store_document(key, {})
