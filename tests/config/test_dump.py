from __future__ import annotations

import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.config import (
    Cut,
    Features,
    Reading,
    Sample,
    Split,
    Training,
    Variable,
    Weights,
    Workflow,
    read_yaml,
    to_yaml,
)

WORDS = st.text(min_size=1, max_size=12).filter(lambda text: "nan" not in text.lower() and "inf" not in text.lower())
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
LABELS = st.integers() | NUMBERS | WORDS | st.sampled_from(["no", "1e-3", "010", "1", "null"])
BRANCHES = st.text("abcJet_*?[]0", min_size=1, max_size=8)


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    names = draw(st.lists(WORDS, min_size=1, max_size=3, unique=True))
    variables = draw(st.lists(WORDS, max_size=3, unique=True))
    return Workflow(
        name=draw(WORDS),
        samples=tuple(
            Sample(name=name, files=(f"root://host//{index}.root",), label=draw(LABELS), weight=draw(NUMBERS))
            for index, name in enumerate(names)
        ),
        identifier=draw(st.none() | st.lists(BRANCHES, max_size=2).map(tuple)),
        events=draw(st.sampled_from([-1, 1, 10_000])),
        variables=tuple(Variable(name=name, expression=draw(WORDS), kind=draw(st.none())) for name in variables),
        selection=tuple(draw(st.lists(st.builds(Cut, name=WORDS, expression=WORDS), max_size=2))),
        features=Features(
            include=tuple(draw(st.lists(BRANCHES, max_size=2))),
            exclude=tuple(draw(st.lists(BRANCHES, max_size=2))),
            length=draw(st.dictionaries(WORDS, st.integers(1, 9), max_size=2)),
            quantile=draw(st.none() | st.floats(0.01, 1.0)),
            missing=tuple(draw(st.lists(NUMBERS, max_size=2))),
        ),
        weights=Weights(branch=draw(st.none() | WORDS), balance=draw(st.none() | st.booleans())),
        split=Split(validation=draw(st.floats(0.0, 0.49)), test=draw(st.floats(0.0, 0.49))),
        reading=Reading(
            chunk_size=draw(st.sampled_from([-1, 5])), memory_limit=draw(st.none() | st.integers(1, 2**62))
        ),
        training=draw(
            st.none() | st.builds(Training, model=st.just(Path("/analysis/model.py")), signal=st.none() | LABELS)
        ),
        histograms=draw(st.none() | st.just(Path("/analysis/plots"))),
    )


@settings(deadline=None)
@given(workflows())
def test_round_trip(workflow: Workflow) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.yaml"
        path.write_text(to_yaml(workflow), encoding="utf-8")
        again = read_yaml(path)
    assert again == workflow
    assert [type(sample.label) for sample in again.samples] == [type(sample.label) for sample in workflow.samples]
    assert to_yaml(again) == to_yaml(workflow)


def test_defaults_are_written_and_other_readers_understand_it() -> None:
    text = to_yaml(Workflow(samples=(Sample(name="s", files=("/data/a.root",), label=1),)))
    found = yaml.safe_load(text)
    assert list(found) == [
        "name",
        "samples",
        "tree",
        "events",
        "variables",
        "selection",
        "features",
        "weights",
        "split",
        "reading",
    ]
    assert found["samples"] == [{"name": "s", "files": ["/data/a.root"], "label": 1, "weight": 1.0}]
    assert found["split"] == {"validation": 0.2, "test": 0.2, "seed": 0}
