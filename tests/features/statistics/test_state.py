"""States of specs: exactly what was written, through real JSON; anything malformed is refused."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.statistics.branch import Lengths, ValueStatistics
from mlaas4hep.features.statistics.specs import Specs
from mlaas4hep.features.statistics.state import lengths_from_state, lengths_to_state

NONE = np.array([], dtype=np.float32)


def through_json(state: object) -> Any:
    return json.loads(json.dumps(state, allow_nan=False))


def inside(specs: Specs) -> list[Any]:
    out: list[Any] = [specs.events]
    for name, part in specs.branches.items():
        values = part.values
        out += [name, part.kind, values.count, values.missing, values.infinite, repr((values.low, values.high))]
        for real in (values.features, values.large):
            if real is not None:
                sketch, moments = real.sketch, real.moments
                out += [sketch.level, sketch.first.tolist(), sketch.counts.tolist(), sketch.single.tolist()]
                out += [real.count, real.rounded, repr((real.low, real.high)), moments.total(), moments.squares()]
        out += [None if part.lengths is None else (part.lengths.lengths.tolist(), part.lengths.counts.tolist())]
    return out


@given(st.lists(st.integers(0, 5), max_size=9), st.data())
def test_what_is_read_is_what_was_written(counts: list[int], data: st.DataObject) -> None:
    floats = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1e-45, -999.0, math.nan, math.inf])
    doubles = hnp.arrays(np.float64, len(counts), elements=st.floats())
    whole = hnp.arrays(np.int64, len(counts)) | hnp.arrays(np.uint64, len(counts))
    flat = data.draw(hnp.arrays(np.float32, len(counts), elements=floats) | doubles | whole)
    items = data.draw(hnp.arrays(np.float32, sum(counts), elements=floats))
    columns: dict[str, Column] = {"x": flat, "j": Jagged.from_counts(np.array(counts, dtype=np.int64), items)}
    specs = Specs.of(columns, len(counts), [-999.0])
    state = through_json(specs.to_state())
    read = Specs.from_state(state)
    assert inside(read) == inside(specs)
    assert read.to_state() == state
    assert inside(read + specs) == inside(specs + specs)
    for part in read.branches.values():
        sketch = part.values.features.sketch
        assert sketch.first.dtype == sketch.counts.dtype == np.int64
        assert sketch.single.dtype == np.bool_


def test_no_branches() -> None:
    assert inside(Specs.from_state(Specs(3, {}).to_state())) == [3]


def test_a_state_is_small() -> None:
    values = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    specs = Specs.of({"x": values}, len(values))
    assert len(json.dumps(specs.to_state())) < 10 * len(specs.branches["x"].values.features.sketch.first)


@pytest.mark.parametrize("lengths", [[], [0], [255, 256, 2**16, 2**32, 2**61]])
def test_lengths_of_any_size(lengths: list[int]) -> None:
    found = lengths_from_state(through_json(lengths_to_state(Lengths.of(np.array(lengths, dtype=np.int64)))))
    assert found.lengths.tolist() == lengths
    assert found.counts.tolist() == [1] * len(lengths)


def packed(numbers: list[int], kind: str = "u1") -> str:
    return f"{kind}:{base64.b64encode(np.array(numbers, dtype=f'<{kind}').tobytes()).decode()}"


def good() -> dict[str, Any]:
    columns: dict[str, Column] = {"x": np.array([1.0, -2.0, math.nan]), "j": Jagged.from_lists([[1.0], [], [2.0, 3.0]])}
    state: dict[str, Any] = through_json(Specs.of(columns, 3).to_state())
    return state


BAD: list[tuple[str, Any]] = [
    ("", None),
    ("", []),
    ("", {}),
    ("events", -1),
    ("events", 4),
    ("events", True),
    ("events", 3.0),
    ("events", "3"),
    ("branches", []),
    ("branches x", None),
    ("branches x kind", "jagged"),
    ("branches x kind", "round"),
    ("branches x lengths", {"keys": "u1:", "counts": "u1:"}),
    ("branches x more", 1),
    ("branches x values count", 4),
    ("branches x values missing", 0),
    ("branches x values infinite", None),
    ("branches x values infinite", 2**70),
    ("branches x values large", {}),
    ("branches x values features", None),
    ("branches x values features count", 3),
    ("branches x values features rounded", 3),
    ("branches x values features range", None),
    ("branches x values features range", [1.0, -2.0]),
    ("branches x values features range", [True, 2.0]),
    ("branches x values features range", [1.0]),
    ("branches x values features range", [1.0, math.inf]),
    ("branches x values features range", [math.nan, 1.0]),
    ("branches x values features range", [-1e39, 1e39]),
    ("branches x values features range", [1, 10**400]),
    ("branches x values features moments", {}),
    ("branches x values features moments", [1]),
    ("branches x values features moments", [[1, 2, 3]]),
    ("branches x values features moments", [[2048, *range(8)]]),
    ("branches x values features moments", [[-1, *range(8)]]),
    ("branches x values features moments", [[1, 2**63, *range(7)]]),
    ("branches x values features moments", [[1, -(2**63), *range(7)]]),
    ("branches x values features moments", [[1, 2.0, *range(7)]]),
    ("branches x values features moments", [[1, *[0] * 8]]),
    ("branches x values features moments", [[1, *range(8)], [1, *range(8)]]),
    ("branches x values features level", 45),
    ("branches x values features unused", 64),
    ("branches x values features start", 1 << 62),
    ("branches x values features start", 1.0),
    ("branches x values features start", -(1 << 63) - 1),
    ("branches x values features keys", None),
    ("branches x values features keys", 7),
    ("branches x values features keys", "u1"),
    ("branches x values features keys", "f4:AAAA"),
    ("branches x values features keys", "u1:A"),
    ("branches x values features keys", "u1:AA=="),
    ("branches x values features keys", "u1:\u00e4\u00e4\u00e4\u00e4"),
    ("branches x values features keys", "u4:AAAA"),
    ("branches x values features keys", packed([0, 0])),
    ("branches x values features keys", packed([1, 1])),
    ("branches x values features keys", packed([0, (1 << 64) - 1], "u8")),
    ("branches x values features rests", packed([1, 1])),
    ("branches x values features rests", packed([0])),
    ("branches x values features single", packed([0, 0])),
    ("branches x values features single", packed([256], "u2")),
    ("branches x values features counts", packed([2])),
    ("branches x values features counts", packed([2, 0])),
    ("branches x values features counts", packed([1 << 61, 1 << 61], "u8")),
    ("branches j lengths", None),
    ("branches j lengths keys", packed([0, 1, 2])),
    ("branches j lengths counts", packed([1, 2, 0])),
    ("branches j lengths counts", packed([2, 1, 1])),
]


@pytest.mark.parametrize(("place", "value"), BAD)
def test_malformed_states(place: str, value: Any) -> None:
    state: Any = {"": good()}
    *path, last = ["", *place.split()]
    at = state
    for name in path:
        at = at[name]
    assert repr(at.get(last)) != repr(value)
    at[last] = value
    with pytest.raises(ValueError, match=r"."):
        Specs.from_state(state[""])


@pytest.mark.parametrize("name", ["events", "branches"])
def test_something_is_missing(name: str) -> None:
    state = good()
    del state[name]
    with pytest.raises(ValueError, match="not the state of statistics"):
        Specs.from_state(state)
    state = good()
    values = state["branches"]["j"]["values"]
    for part in [*values, *values["features"]]:
        broken = json.loads(json.dumps(state))
        within = broken["branches"]["j"]["values"]
        del (within if part in within and part != "count" else within["features"])[part]
        with pytest.raises(ValueError, match="not an object of"):
            Specs.from_state(broken)


def test_no_values_have_no_range() -> None:
    state = through_json(Specs.of({"x": np.full(2, math.nan)}, 2).to_state())
    assert ValueStatistics.of(NONE, NONE).low == Specs.from_state(state).branches["x"].values.low == math.inf
    state["branches"]["x"]["values"]["features"]["range"] = [0.0, 1.0]
    with pytest.raises(ValueError, match="0 values"):
        Specs.from_state(state)
