"""What the user's function makes of a file, range by range, is what it makes of the whole."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import BranchNotFoundError, PreprocessingError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers import Source, open_source
from mlaas4hep.streaming.user_function.function import EventFunction, load_function
from mlaas4hep.streaming.user_function.source import ComputedSource
from tests.support.every_format import WRITERS

SIZE = 300
ENDINGS = ("ttree.root", "rntuple.root", "parquet", "jsonl.zst", "avro", "group.h5")
RNG = np.random.default_rng(7)
COUNTS = RNG.poisson(2, SIZE)
EVENTS: dict[str, Any] = {
    "MET": RNG.exponential(20, SIZE),
    "number": np.arange(SIZE),
    "pt": ak.unflatten(RNG.exponential(30, COUNTS.sum()), COUNTS),
    "weight": RNG.normal(1, 0.1, SIZE),
}
VECTORISED = """
import awkward as ak
import numpy as np

branches = ["pt", "MET", "num*"]

def preprocessing(events):
    events["HT"] = ak.sum(events.pt, axis=1)
    events["lead"] = ak.firsts(events.pt)
    events["hard"] = events.pt[events.pt > 20]
    events["pair"] = ak.to_regular(ak.concatenate([events.MET[:, np.newaxis], events.HT[:, np.newaxis]], axis=1))
    events["MET"] = events.MET / 2
    events["many"] = ak.num(events.pt) > 2
    return events[events.MET > 8]
"""
RECORD = """
def preprocessing(record):
    record["HT"] = sum(record["pt"])
    record["lead"] = record["pt"][0] if record["pt"] else None
    record["hard"] = [pt for pt in record["pt"] if pt > 20]
    record["pair"] = (record["MET"], record["HT"])
    record["MET"] /= 2
    record["many"] = len(record["pt"]) > 2
    return record if record["MET"] > 8 else None
"""
NAMES = ("HT", "lead", "hard", "pair", "MET", "many", "number", "weight", "passes_preprocessing")


def wanted() -> dict[str, Any]:
    """The same, from the events in memory."""
    pt, met = EVENTS["pt"], EVENTS["MET"]
    sums = np.array([sum(row) for row in ak.to_list(pt)])
    return {
        "HT": sums,
        "lead": np.array([row[0] if row else np.nan for row in ak.to_list(pt)]),
        "hard": [[value for value in row if value > 20] for row in ak.to_list(pt)],
        "pair": np.stack([met, sums], axis=1).tolist(),
        "MET": met / 2,
        "many": COUNTS > 2,
        "number": EVENTS["number"],
        "weight": EVENTS["weight"],
        "passes_preprocessing": met / 2 > 8,
    }


def checked(found: dict[str, Column], start: int, stop: int) -> None:
    """Compare the events that are kept, and of the others what does not depend on the function."""
    truth = wanted()
    kept = truth["passes_preprocessing"][start:stop]
    for name, column in found.items():
        if isinstance(column, Jagged):
            rows = [row for row, keep in zip(column.tolist(), kept, strict=True) if keep]
            expected = [row for row, keep in zip(truth[name][start:stop], kept, strict=True) if keep]
            assert [len(row) for row in rows] == [len(row) for row in expected]
            flat, wanted_flat = ([v for row in part for v in row] for part in (rows, expected))
            np.testing.assert_allclose(flat, wanted_flat, rtol=1e-12)
        elif name in ("number", "weight", "passes_preprocessing"):
            np.testing.assert_array_equal(column, truth[name][start:stop])
        else:
            np.testing.assert_allclose(column[kept], truth[name][start:stop][kept], rtol=1e-12)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    folder = tmp_path_factory.mktemp("files")
    for ending in ENDINGS:
        WRITERS[ending](folder / f"a.{ending}", EVENTS)
    return {ending: open_source(str(folder / f"a.{ending}"), None) for ending in ENDINGS}


def function(text: str) -> EventFunction:
    return EventFunction("user.py", text.encode())


@pytest.mark.parametrize("text", [VECTORISED, RECORD], ids=["events", "record"])
@pytest.mark.parametrize("ending", ENDINGS)
@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    ranges=st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), min_size=1, max_size=3),
    names=st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
)
def test_any_range_is_that_of_the_whole(
    files: dict[str, Source], ending: str, text: str, ranges: list[tuple[int, int]], names: list[str]
) -> None:
    source = ComputedSource(files[ending], function(text))
    for ends in ranges:
        start, stop = sorted(ends)
        found = source.read(names, start, stop)
        assert list(found) == names
        assert all(len(column) == stop - start for column in found.values())
        for name, column in found.items():
            content = column.content if isinstance(column, Jagged) else column
            assert content.dtype.name == source.branches[name].dtype
        checked(found, start, stop)


@pytest.mark.parametrize("text", [VECTORISED, RECORD], ids=["events", "record"])
def test_branches(files: dict[str, Source], text: str) -> None:
    source = ComputedSource(files["ttree.root"], function(text))
    kinds = {b.name: (b.kind, b.dtype) for b in source.branches.values() if not b.hidden}
    assert kinds == {
        "MET": ("flat", "float64"),
        "number": ("flat", "int64"),
        "pt": ("jagged", "float64"),
        "weight": ("flat", "float64"),
        "HT": ("flat", "float64"),
        "lead": ("flat", "float64"),
        "hard": ("jagged", "float64"),
        "pair": ("jagged", "float64"),
        "many": ("flat", "bool") if text is VECTORISED else ("flat", "float64"),
    }
    computed = source.computed
    assert computed is not None
    assert computed.sha256 == function(text).sha256
    assert set(computed.given) == {"pt", "MET", "number", *(["weight"] if text is RECORD else [])}
    assert (source.entries, source.identity) == (SIZE, files["ttree.root"].identity)


def test_another_process_applies_the_same(files: dict[str, Source]) -> None:
    source = pickle.loads(pickle.dumps(ComputedSource(files["parquet"], function(VECTORISED))))
    checked(source.read(list(NAMES), 10, 200), 10, 200)


def test_what_is_not_returned_is_gone(files: dict[str, Source]) -> None:
    source = ComputedSource(files["avro"], function("def preprocessing(events):\n    return events[['pt', 'MET']]\n"))
    assert list(source.branches) == ["MET", "pt", "passes_preprocessing"]
    with pytest.raises(BranchNotFoundError):
        source.read(["weight"], 0, 1)


def test_nothing_of_the_file_can_be_changed_in_memory(files: dict[str, Source]) -> None:
    text = "import numpy as np\ndef preprocessing(events):\n    np.asarray(events.MET)[:] = 0\n    return events\n"
    with pytest.raises(PreprocessingError, match="read-only"):
        ComputedSource(files["ttree.root"], function(text))


BODY = "def preprocessing(events):\n    "
AK = "import awkward as ak, numpy as np\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = 1", "user.py: no function preprocessing; define preprocessing(events)"),
        ("def preprocessing(events: return", "user.py, line 1: syntax error: "),
        ("1 / 0", "user.py, line 1: cannot be imported: ZeroDivisionError: division by zero"),
        (
            "import no_such_thing",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'; the file must",
        ),
        ("branches = 'x'\n" + BODY + "return events", "user.py: branches is not a list of names"),
        ("def preprocessing(a, b): pass", "user.py: preprocessing takes 2 arguments"),
        (BODY + "return events.nothing", "user.py, line 2: preprocessing failed: AttributeError: "),
        (BODY + "pass", "preprocessing returned nothing; return an awkward array"),
        (BODY + "return events.MET", "preprocessing returned an array of the type 100 * float64"),
        (
            AK + BODY + "return ak.Array({'x': events.MET[events.MET > 9]})",
            "of 100 events in a new array, so it cannot",
        ),
        (BODY + "return events.mask[events.MET > 9]", "array with missing events; select with events[mask], not"),
        (BODY + "return events[::-1]", "preprocessing returned events twice or in another order"),
        (AK + BODY + "return events[[0, 0, *range(1, len(events))]]", "returned events twice"),
        (
            AK + BODY + "events['z'] = events.MET - np.mean(events.MET)\n    return events",
            "user.py: preprocessing gives other values of z when an event stands beside others; compute each",
        ),
        (AK + BODY + "events['z'] = np.random.rand(len(events))\n    return events", "gives other values of z"),
        (AK + BODY + "return events[:50]", "preprocessing selects other events when"),
        (
            BODY + "events['z'] = events.MET\n    return events if len(events) > 60 else events[['MET']]",
            "preprocessing returns other branches when",
        ),
        (
            BODY + "events['passes_preprocessing'] = events.MET\n    return events",
            "there is a branch passes_preprocessing",
        ),
        ("def preprocessing(record): return [1]", "preprocessing returned a list for an event"),
        ("def preprocessing(record): return {'x': {}}", "preprocessing returned {} for x; return numbers, lists"),
        ("def preprocessing(record): return 1 / 0", "user.py, line 1: preprocessing failed: ZeroDivisionError"),
    ],
)
def test_mistakes_have_one_line(files: dict[str, Source], text: str, error: str) -> None:
    with pytest.raises(PreprocessingError) as caught:
        ComputedSource(files["parquet"], function(text))
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_branch_that_is_named_must_be_there(files: dict[str, Source]) -> None:
    with pytest.raises(BranchNotFoundError, match="no branch numbr; did you mean number"):
        ComputedSource(files["parquet"], function("branches = ['numbr']\n" + BODY + "return events"))
    source = ComputedSource(files["parquet"], function("branches = ['none_*', 'MET']\n" + BODY + "return events"))
    assert source.computed is not None
    assert source.computed.given == ("MET",)


def test_a_type_that_changes_later_is_refused(files: dict[str, Source]) -> None:
    text = AK + BODY + "events['z'] = events.number if events.number[0] < 150 else events.MET\n    return events"
    source = ComputedSource(files["jsonl.zst"], function(text))
    assert source.read(["z"], 0, 140)["z"].tolist() == list(range(140))
    with pytest.raises(PreprocessingError, match="returns flat float64 for z, and flat int64 before"):
        source.read(["z"], 150, 160)


@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "avro", "h5"])
def test_text_becomes_numbers(tmp_path: Path, ending: str) -> None:
    from tests.streaming.readers.tables.test_tables import write

    data = {"process": np.array(["e", "mu", "tau"])[np.arange(30) % 3], "value": np.arange(30) / 2}
    write(tmp_path / f"a.{ending}", ending, data)
    inner = open_source(str(tmp_path / f"a.{ending}"), None)
    line = "record['code'] = ['e', 'mu', 'tau'].index(record['process'])"
    record = f"def preprocessing(record):\n    {line}\n    return record\n"
    code = "events['code'] = (events.process == 'mu') * 1 + (events.process == 'tau') * 2"
    events = f"branches = ['process']\n{BODY}{code}\n    return events\n"
    for text in (record, events):
        source = ComputedSource(inner, function(text))
        found = source.read(["code", "value"], 4, 11)
        np.testing.assert_array_equal(found["code"], np.arange(4, 11) % 3)
        np.testing.assert_array_equal(found["value"], np.arange(4, 11) / 2)
        assert source.read_labels("process", 0, 3).tolist() == ["e", "mu", "tau"]
        np.testing.assert_array_equal(source.read_labels("code", 0, 3), [0, 1, 2])
    changed = (
        f"branches = ['process']\n{AK}{BODY}events['process'] = ak.Array(['e'] * len(events))\n    return events\n"
    )
    with pytest.raises(PreprocessingError, match="changes the text of process"):
        ComputedSource(inner, function(changed))


def test_an_empty_file_has_the_branches(tmp_path: Path) -> None:
    path = tmp_path / "a.ttree.root"
    WRITERS["ttree.root"](path, {name: EVENTS[name][:0] for name in ("MET", "number")})
    text = BODY + "events['z'] = events.MET * events.number\n    return events[events.MET > 1]"
    source = ComputedSource(open_source(str(path), None), function(text))
    assert source.branches["z"].dtype == "float64"
    assert len(source.read(["z", "passes_preprocessing"], 0, 0)["z"]) == 0


def test_records_that_are_kept_late(tmp_path: Path) -> None:
    """Nothing of the first events is kept, so which branches there are is found further on."""
    path = tmp_path / "a.parquet"
    WRITERS["parquet"](path, {"number": np.arange(3000)})
    text = "def preprocessing(r):\n    return {'number': r['number'], 'z': 0.5} if r['number'] >= 2000 else None\n"
    source = ComputedSource(open_source(str(path), None), function(text))
    found = source.read(["z", "number"], 1998, 2002)
    np.testing.assert_array_equal(found["z"], [np.nan, np.nan, 0.5, 0.5])
    np.testing.assert_array_equal(found["number"], [1998, 1999, 2000, 2001])
    np.testing.assert_array_equal(source.read(["z"], 0, 2)["z"], [np.nan, np.nan])


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"none\.py: no such file"):
        load_function(tmp_path / "none.py")
    assert load_function(None) is None
