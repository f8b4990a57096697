"""Every type that awkward makes comes back as a branch, or as one that is not read."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest

from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.base import Source
from mlaas4hep.streaming.user_function.function import EventFunction
from mlaas4hep.streaming.user_function.source import ComputedSource
from tests.support.every_format import WRITERS

SIZE = 300
RNG = np.random.default_rng(7)
COUNTS = RNG.poisson(2, SIZE)
EVENTS: dict[str, Any] = {
    "MET": RNG.exponential(20, SIZE),
    "pt": ak.unflatten(RNG.exponential(30, COUNTS.sum()), COUNTS),
}
BODY = "import awkward as ak, numpy as np\ndef preprocessing(events):\n    "


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("types") / "a.parquet"
    WRITERS["parquet"](path, EVENTS)
    return open_source(str(path), None)


@pytest.mark.parametrize(
    ("expression", "kind", "dtype", "value"),
    [
        ("events.MET", "flat", "float64", lambda _row, met: met),
        ("ak.values_astype(events.MET, np.float16)", "flat", "float32", lambda _row, met: float(np.float16(met))),
        ("events.MET > 9", "flat", "bool", lambda _row, met: met > 9),
        ("ak.num(events.pt)", "flat", "int64", lambda row, _met: len(row)),
        ("ak.firsts(events.pt)", "flat", "float64", lambda row, _met: row[0] if row else np.nan),
        ("ak.firsts(ak.values_astype(events.pt, np.float32))", "flat", "float32", None),
        ("ak.firsts(ak.values_astype(events.pt, np.int16))", "flat", "float64", None),
        ("events.pt[events.pt > 9]", "jagged", "float64", lambda row, _met: [pt for pt in row if pt > 9]),
        ("ak.mask(events.pt, events.MET > 9)", "jagged", "float64", lambda row, met: row if met > 9 else []),
        ("ak.pad_none(events.pt, 2, clip=True)", "jagged", "float64", lambda row, _met: (row + [np.nan] * 2)[:2]),
        ("ak.sort(events.pt, ascending=False)", "jagged", "float64", lambda row, _met: sorted(row, reverse=True)),
        ("ak.argsort(events.pt)", "jagged", "int64", None),
        ("ak.local_index(events.pt)", "jagged", "int64", lambda row, _met: list(range(len(row)))),
        ("np.stack([events.MET, events.MET], axis=1)", "jagged", "float64", lambda _row, met: [met, met]),
        ("ak.cartesian([events.pt, events.pt])", "unsupported", "objects", None),
        ("ak.combinations(events.pt, 2, axis=1)", "unsupported", "objects", None),
        ("events.pt[:, np.newaxis]", "unsupported", "nested lists", None),
        ("events.MET * 1j", "unsupported", None, None),
        ("ak.where(events.MET > 9, 'a', 'b')", "unsupported", "characters", None),
        ("ak.Array(['a', 'b'] * 200)[:len(events)]", "unsupported", "string", None),
    ],
)
def test_every_type_that_awkward_makes(file: Source, expression: str, kind: str, dtype: str | None, value: Any) -> None:
    text = f"{BODY}events['z'] = {expression}\n    return events\n"
    source = ComputedSource(file, EventFunction("user.py", text.encode()))
    branch = source.branches["z"]
    assert branch.kind == kind
    assert dtype is None or branch.dtype == dtype
    if kind == "unsupported":
        return
    found = source.read(["z"], 20, 150)["z"].tolist()
    assert len(found) == 130
    if value is not None:
        pairs = zip(ak.to_list(EVENTS["pt"])[20:150], EVENTS["MET"].tolist()[20:150], strict=True)
        assert repr(found) == repr([value(row, met) for row, met in pairs])
