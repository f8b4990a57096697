from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.bundle import layout_from_json, layout_to_json
from mlaas4hep.bundle.canonical import json_bytes
from mlaas4hep.errors import BundleError
from mlaas4hep.features.layout import FeatureBranch, Layout

numbers = st.floats(width=32, allow_nan=True, allow_infinity=True)
flat = st.builds(
    FeatureBranch,
    name=st.text(min_size=1, max_size=5),
    kind=st.just("flat"),
    length=st.just(1),
    offset=numbers,
    scale=numbers,
    floor=numbers,
    fill=numbers,
    origin=st.floats(allow_nan=False, allow_infinity=False),
)
jagged = st.builds(
    FeatureBranch,
    name=st.text(min_size=1, max_size=5),
    kind=st.just("jagged"),
    length=st.integers(1, 5),
    offset=numbers,
    scale=numbers,
    floor=numbers,
    fill=numbers,
)
layouts = st.builds(
    Layout,
    branches=st.lists(flat | jagged, min_size=1, max_size=4).map(tuple),
    missing=st.lists(st.floats(), max_size=3).map(tuple),
    nan=st.booleans(),
    mask=st.booleans(),
    normalisation=st.sampled_from(["minmax", "robust"]),
)


@given(layouts)
def test_a_layout_survives_json_bit_by_bit(layout: Layout) -> None:
    back = layout_from_json(json.loads(json_bytes(layout_to_json(layout))))
    assert [(b.name, b.kind, b.length, repr(b.origin)) for b in back.branches] == [
        (b.name, b.kind, b.length, repr(b.origin)) for b in layout.branches
    ]
    for attribute in ("offset", "scale", "floor", "fill"):
        ours, theirs = back.expand(attribute), layout.expand(attribute)
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(theirs)]))
    np.testing.assert_array_equal(back.missing, layout.missing)
    assert (back.nan, back.mask, back.normalisation) == (layout.nan, layout.mask, layout.normalisation)


def test_what_json_has_no_number_for_is_written_in_words() -> None:
    data = layout_to_json(Layout((FeatureBranch("pt", "flat", 1, 0.1, math.inf, -math.inf, math.nan),)))
    assert data["branches"][0] == {
        "name": "pt",
        "kind": "flat",
        "length": 1,
        "origin": 0.0,
        "offset": float(np.float32(0.1)),
        "scale": "Infinity",
        "floor": "-Infinity",
        "fill": "NaN",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offset": "ten"}, "KeyError: 'ten'"),
        ({"offset": True}, "TypeError: True is not a number"),
        ({"kind": "round"}, "branch pt of kind round and length 1"),
        ({"length": 2}, "branch pt of kind flat and length 2"),
        ({"length": 0, "kind": "jagged"}, "length 0"),
    ],
)
def test_a_bad_branch_is_refused(change: dict[str, object], message: str) -> None:
    data = layout_to_json(Layout((FeatureBranch("pt", "flat", 1, 0.0, 1.0, 0.0, -1.0),)))
    data["branches"][0] |= change
    with pytest.raises(BundleError, match=message):
        layout_from_json(data)


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(BundleError, match=r"the feature layout is not valid .*'missing'"):
        layout_from_json({"branches": []})
