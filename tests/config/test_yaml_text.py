from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.config.yaml_text import dump_yaml, load_yaml
from mlaas4hep.errors import ConfigError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("1:30", "1:30"),
        ("010", "010"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0", 0),
        ("-12", -12),
        ("1e-3", 0.001),
        ("+1.5E+2", 150.0),
        (".5", 0.5),
        (".inf", math.inf),
        ("'1'", "1"),
    ],
)
def test_plain_words(text: str, value: object) -> None:
    found = load_yaml(f"key: {text}", "w.yaml")["key"]
    assert found == value
    assert type(found) is type(value)


@settings(deadline=None)
@given(DATA)
def test_what_is_dumped_reads_back(data: Any) -> None:
    assert load_yaml(dump_yaml(data), "w.yaml") == data


@pytest.mark.parametrize("word", ["1e-3", "no", "010", "1", "null", "2024-01-01", ".nan", "<<", "1e5"])
def test_words_that_look_like_something_else_stay_words(word: str) -> None:
    assert load_yaml(dump_yaml({"label": word}), "w.yaml") == {"label": word}


def test_anchors_and_merge() -> None:
    assert load_yaml("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", "w.yaml")["b"] == {"p": 1, "q": 3}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1, 2\nc: 3", "w.yaml:3:2: not valid YAML: expected ',' or ']', but got ':'"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "w.yaml:4:3: not valid YAML: key 'c' is given twice"),
        ("a: 1\n? [x]\n: 2", "w.yaml:2:3: not valid YAML: a key should be a single word"),
        ("a: !!python/name:os.system x", "w.yaml:1:4: not valid YAML: could not determine a constructor"),
        ("a: 1\nb: \x07", "w.yaml:2:4: not valid YAML: special characters are not allowed"),
        ("a: *x", "w.yaml:1:4: not valid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", "w.yaml:2:1: not valid YAML: but found another document"),
        ("[" * 50_000, "w.yaml: is nested too deeply"),
    ],
)
def test_bad_yaml(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_yaml(text, "w.yaml")
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
