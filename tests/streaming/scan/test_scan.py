"""The first pass: counts, quotas, labels, weights and specs against plain Python."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.config import Reading, Sample
from mlaas4hep.errors import NoEventsError
from mlaas4hep.features.split import PARTS
from mlaas4hep.streaming import ranges as module
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.scan.branches import choose_branches
from mlaas4hep.streaming.scan.counting import quotas
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.result import Scan, cutflows_of
from mlaas4hep.streaming.scan.scan import scan
from tests.support.reference import CUTS, part_of, passing
from tests.support.written import Event, make_events, workflow_of, write_ttree

SAMPLES: dict[str, list[Event]] = {
    "signal": make_events(130, seed=1, signal=True),
    "background": make_events(170, seed=2, signal=False),
    "other": make_events(45, seed=3, signal=False),
}
FEATURES = ("met", "charge", "Jet_pt")
IDENTIFIER = ("run", "luminosityBlock", "event")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("scan")
    found = {name: write_ttree(folder / f"{name}.root", events) for name, events in SAMPLES.items()}
    return {**found, "empty": write_ttree(folder / "empty.root", [])}


@pytest.fixture(params=[16_384, 50, 7])
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Entries a range, so that small files have several ranges."""
    monkeypatch.setattr(module, "target_events", lambda _files: request.param)
    return int(request.param)


@pytest.fixture(scope="module")
def files(paths: dict[str, Path]) -> Iterator[tuple[DataFile, ...]]:
    samples = [
        Sample(name=name, files=(str(path),), label="s" if name == "signal" else "b") for name, path in paths.items()
    ]
    opened = open_files(samples, "Events", Reading())
    yield opened
    close_files(opened)


def unlabelled(files: tuple[DataFile, ...]) -> tuple[DataFile, ...]:
    """The same files without labels of their own, as where a branch holds them."""
    return tuple(replace(file, sample=file.sample.model_copy(update={"label": None})) for file in files)


def pipeline_of(files: tuple[DataFile, ...], **changes: Any) -> Pipeline:
    settings = {"selection": list(CUTS)} | changes.pop("settings", {})
    workflow = workflow_of({file.sample.name: (Path(file.path), "x") for file in files}, **settings)
    branches = choose_branches(files, workflow.event_settings)
    values: dict[str, Any] = {
        "preprocessing": branches.preprocessing,
        "features": FEATURES,
        "identifier": IDENTIFIER,
        "label_branch": None,
        "weight_branch": "w",
        "negative": "keep",
        "split": workflow.split,
        "missing": (-999.0,),
    }
    return Pipeline(**{**values, **changes})


def survivors(name: str) -> list[Event]:
    return [event for event in SAMPLES.get(name, []) if all(passing(event))]


def part(event: Event) -> int:
    return part_of([event[name] for name in IDENTIFIER], validation=0.2, test=0.2, seed=0)


def by_name(files: tuple[DataFile, ...], found: Scan) -> dict[str, Any]:
    return {file.sample.name: part for file, part in zip(files, found.files, strict=True)}


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("workers", [1, 3])
def test_counts_labels_and_cutflow(files: tuple[DataFile, ...], workers: int) -> None:
    found = scan(files, pipeline_of(files), executor=Executor(workers), monitor=Collector())
    counts = by_name(files, found)
    for name in (*SAMPLES, "empty"):
        kept = survivors(name)
        assert counts[name].used == len(kept)
        assert [counts[name].part(index) for index in range(3)] == [
            sum(part(event) == index for event in kept) for index in range(3)
        ]
    assert found.used == sum(len(survivors(name)) for name in SAMPLES)
    assert sum(found.part(index) for index in range(3)) == found.used
    assert set(found.labels) == {"s", "b"}
    kept = survivors("background") + survivors("other")
    for index in range(len(PARTS)):
        mine = [event for event in kept if part(event) == index]
        assert found.labels["b"].events[index] == len(mine)
        assert found.labels["b"].weights[index].value() == math.fsum(event["w"] for event in mine)
    flows = cutflows_of(files, found.files)
    assert [Path(path).stem for path in flows] == list(SAMPLES)
    for path, flow in flows.items():
        events = SAMPLES[Path(path).stem]
        assert flow.events[0] == len(events)
        assert flow.events[-1] == len(survivors(Path(path).stem))


def test_ranges_cover_the_files(files: tuple[DataFile, ...], target: int) -> None:
    found = scan(files, pipeline_of(files), monitor=Collector())
    for file, part_of_file in zip(files, found.files, strict=True):
        edges = [(r.start, r.stop) for r in part_of_file.ranges]
        assert [e for a, b in edges for e in range(a, b)] == list(range(file.source.entries))
        if target < 10 and file.source.entries:
            assert len(edges) > 1


@pytest.mark.usefixtures("target")
def test_specs_are_of_the_training_events_alone(files: tuple[DataFile, ...]) -> None:
    found = scan(files, pipeline_of(files), monitor=Collector())
    training = [event for name in SAMPLES for event in survivors(name) if part(event) == 0]
    assert found.specs.events == len(training)
    assert tuple(found.specs.branches) == FEATURES
    met = found.specs.branches["met"].values
    real = [np.float32(event["met"]) for event in training if math.isfinite(event["met"])]
    assert (met.count, met.real, met.infinite) == (
        len(training),
        len(real),
        sum(math.isinf(event["met"]) for event in training),
    )
    assert (met.low, met.high) == (min(real), max(real))
    jets = found.specs.branches["Jet_pt"]
    values = [pt for event in training for pt in event["Jet_pt"]]
    assert jets.values.count == len(values)
    assert jets.values.missing == values.count(-999.0)
    assert jets.lengths is not None
    assert jets.lengths.maximum == max(len(event["Jet_pt"]) for event in training)


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("events", [20, 33, 100])
def test_limited_events(files: tuple[DataFile, ...], events: int, workers: int) -> None:
    passing_counts = [len(survivors(file.sample.name)) for file in files]
    limits = quotas(passing_counts, events, files)
    found = scan(files, pipeline_of(files), events=events, executor=Executor(workers), monitor=Collector())
    assert found.used == events
    assert [part_of_file.used for part_of_file in found.files] == limits
    training = 0
    for file, limit, part_of_file in zip(files, limits, found.files, strict=True):
        first = survivors(file.sample.name)[:limit]
        assert [part_of_file.part(i) for i in range(3)] == [sum(part(e) == i for e in first) for i in range(3)]
        training += sum(part(event) == 0 for event in first)
    assert found.specs.events == training
    whole = scan(files, pipeline_of(files), monitor=Collector())
    assert cutflows_of(files, found.files) == cutflows_of(files, whole.files)


def test_all_events_asked_for_is_the_same_as_no_limit(files: tuple[DataFile, ...]) -> None:
    pipeline = pipeline_of(files, settings={"selection": []})
    total = sum(file.source.entries for file in files)
    one, other = (scan(files, pipeline, events=n, monitor=Collector()) for n in (-1, total))
    assert one.files == other.files
    assert json.dumps(one.specs.to_json()) == json.dumps(other.specs.to_json())


@pytest.mark.usefixtures("target")
def test_labels_from_a_branch(files: tuple[DataFile, ...]) -> None:
    files = unlabelled(files)
    found = scan(files, pipeline_of(files, label_branch="charge"), monitor=Collector())
    kept = [event for name in SAMPLES for event in survivors(name)]
    assert {label: count.events for label, count in found.labels.items()} == {
        charge: [sum(part(event) == i for event in kept if event["charge"] == charge) for i in range(3)]
        for charge in {event["charge"] for event in kept}
    }
    assert all(isinstance(label, int) for label in found.labels)


def test_a_label_of_the_sample_comes_before_the_branch(files: tuple[DataFile, ...]) -> None:
    """As documented: the branch is for samples without a label."""
    found = scan(files, pipeline_of(files, label_branch="charge"), monitor=Collector())
    assert set(found.labels) == {"s", "b"}
    first, *others = sorted(files, key=lambda file: file.sample.name != "signal")
    mixed = (first, *unlabelled(tuple(others)))
    found = scan(mixed, pipeline_of(files, label_branch="charge"), monitor=Collector())
    charges = {event["charge"] for file in others for event in survivors(file.sample.name)}
    assert set(found.labels) == {first.sample.label, *charges}


def test_regression_keeps_no_counts_by_label(files: tuple[DataFile, ...]) -> None:
    files = unlabelled(files)
    found = scan(files, pipeline_of(files, label_branch="target"), count_labels=False, monitor=Collector())
    assert list(found.labels) == [None]
    assert sum(found.labels[None].events) == found.used


def test_no_event_is_left_shows_the_cutflow(files: tuple[DataFile, ...]) -> None:
    pipeline = pipeline_of(files, settings={"selection": ["met > 15", "met < 1"]})
    with pytest.raises(NoEventsError, match="no event is left after the cuts") as caught:
        scan(files, pipeline, monitor=Collector())
    assert "met < 1" in caught.value.cutflow


def test_files_without_events(files: tuple[DataFile, ...]) -> None:
    empty = tuple(file for file in files if file.sample.name == "empty")
    with pytest.raises(NoEventsError, match="the files hold no event"):
        scan(empty, pipeline_of(empty), monitor=Collector())


def test_more_events_than_pass(files: tuple[DataFile, ...]) -> None:
    total = sum(len(survivors(name)) for name in SAMPLES)
    with pytest.raises(NoEventsError, match=rf"{total + 1} events are asked for, {total} pass the cuts") as caught:
        scan(files, pipeline_of(files), events=total + 1, monitor=Collector())
    for name in SAMPLES:
        assert f"{name}.root: {len(survivors(name))}" in str(caught.value)


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=12), st.data())
def test_quotas(files: tuple[DataFile, ...], passing_counts: list[int], data: st.DataObject) -> None:
    total = sum(passing_counts)
    events = data.draw(st.integers(0, total))
    found = quotas(passing_counts, events, [files[0]] * len(passing_counts))
    assert sum(found) == events
    for mine, count in zip(found, passing_counts, strict=True):
        assert 0 <= mine <= count
        if total:
            assert abs(mine * total - events * count) < total


def test_quotas_by_largest_remainder(files: tuple[DataFile, ...]) -> None:
    three = [files[0]] * 3
    assert quotas([10, 10, 10], 10, three) == [4, 3, 3]
    assert quotas([50, 30, 20], 7, three) == [4, 2, 1]
    assert quotas([0, 5, 0], 5, three) == [0, 5, 0]
    assert quotas([0, 0, 0], 0, three) == [0, 0, 0]


class Counting:
    """A source that counts the entries that are read of each branch."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.read_of: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def read(self, branches: Any, start: int, stop: int) -> Any:
        for name in branches:
            self.read_of[name] = self.read_of.get(name, 0) + stop - start
        return self.source.read(branches, start, stop)


def counting(files: tuple[DataFile, ...]) -> tuple[tuple[DataFile, ...], dict[str, dict[str, int]]]:
    counters = {file.sample.name: Counting(file.source) for file in files}
    wrapped: Any = tuple(replace(file, source=counters[file.sample.name]) for file in files)
    return wrapped, {name: counter.read_of for name, counter in counters.items()}


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("workers", [1, 3])
def test_a_limit_without_cuts_reads_no_further(files: tuple[DataFile, ...], workers: int) -> None:
    wrapped, read_of = counting(files)
    pipeline = pipeline_of(files, settings={"selection": []}, weight_branch=None)
    found = scan(wrapped, pipeline, events=40, executor=Executor(workers), count_labels=False, monitor=Collector())
    limits = quotas([file.source.entries for file in files], 40, files)
    assert [part.used for part in found.files] == limits
    for file, limit in zip(files, limits, strict=True):
        assert max(read_of[file.sample.name].values(), default=0) == limit
    flows = cutflows_of(files, found.files)
    assert {Path(path).stem: flow.events for path, flow in flows.items()} == {
        name: (len(SAMPLES.get(name, [])),) for name in (*SAMPLES, "empty")
    }
    assert found.passing[None].value() == sum(map(len, SAMPLES.values()))


@pytest.mark.parametrize("selection", [[], list(CUTS)])
@pytest.mark.parametrize("label", [None, "charge"])
def test_a_limit_reads_features_only_until_it_is_reached(
    files: tuple[DataFile, ...], selection: list[str], label: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies beyond the limit counts for the cutflow and the sums of weights, not for the features."""
    monkeypatch.setattr(module, "target_events", lambda _files: 7)
    files = unlabelled(files) if label else files
    wrapped, read_of = counting(files)
    pipeline = pipeline_of(files, settings={"selection": selection}, label_branch=label)
    found = scan(wrapped, pipeline, events=30, monitor=Collector())
    whole = scan(files, pipeline, monitor=Collector())
    assert cutflows_of(files, found.files) == cutflows_of(files, whole.files)
    assert {key: total.value() for key, total in found.passing.items()} == {
        key: total.value() for key, total in whole.passing.items()
    }
    for file, part_of_file in zip(files, found.files, strict=True):
        last = max((r.stop for r in part_of_file.ranges), default=0)
        used = sum(r.stop - r.start for r in part_of_file.ranges)
        assert read_of[file.sample.name].get("luminosityBlock", 0) == used
        assert last < file.source.entries or not last
        assert part_of_file.used == sum(r.used for r in part_of_file.ranges if r.stop <= last)
