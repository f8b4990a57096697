"""One row an entry: order, cuts, scores, what is carried along, formats, several files, workers."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from pyarrow import csv, parquet

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.config import Reading
from mlaas4hep.errors import (
    BranchNotFoundError,
    ConfigError,
    ExpressionError,
    FileReadError,
    OutputError,
    UnsupportedBranchError,
)
from mlaas4hep.prediction.predict import Predicted, predict_files, score_names
from mlaas4hep.streaming import ranges as module
from mlaas4hep.streaming.dataset.dataset import Block
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.fitting.dataset import open_dataset
from mlaas4hep.training.workflow import run_training
from tests.support.reference import passing
from tests.support.trained import SAMPLES, Small, binary
from tests.support.workflows import opened, prepare
from tests.support.written import TYPES, Event, make_events, model_file, workflow_of, write_rntuple, write_ttree

Columns = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return binary(tmp_path_factory.mktemp("small"))


@pytest.fixture(autouse=True)
def several_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of about 50 entries, so that small files have several."""
    monkeypatch.setattr(module, "target_events", lambda _files: 50)


def read(path: Path) -> Columns:
    if path.suffix == ".root":
        with uproot.open(path) as file:
            found: Columns = file["scores"].arrays(library="np")
            return found
    table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    return {name: table[name].to_numpy() for name in table.column_names}


def predict(
    bundle: Path, files: Sequence[Path], output: Path, *, workers: int = 1, **wishes: Any
) -> tuple[Predicted, Columns]:
    with load_bundle(bundle) as loaded:
        reading = Reading(workers=workers)
        done = predict_files(loaded, [str(file) for file in files], output, Collector(), reading=reading, **wishes)
    return done, read(output)


def rows_of(small: Small) -> list[tuple[int, int, Event]]:
    """(file, entry, event) of all entries of all files."""
    return [
        (file, entry, event) for file, name in enumerate(small.paths) for entry, event in enumerate(SAMPLES[name][0])
    ]


@pytest.fixture(scope="module")
def scores(small: Small) -> Columns:
    """The scores of all files."""
    return predict(small.bundle, list(small.paths.values()), small.folder / "all.parquet")[1]


def test_one_row_an_entry_in_order(small: Small, scores: Columns) -> None:
    expected = rows_of(small)
    assert list(scores) == ["file", "entry", "selected", "score", "run", "event", "luminosityBlock", "w"]
    assert scores["file"].tolist() == [file for file, _, _ in expected]
    assert scores["entry"].tolist() == [entry for _, entry, _ in expected]
    assert scores["selected"].tolist() == [all(passing(event)) for _, _, event in expected]


def test_every_entry_has_a_score(scores: Columns) -> None:
    assert not scores["selected"].all()
    assert scores["score"].dtype == np.float32
    assert np.all((scores["score"] >= 0) & (scores["score"] <= 1))


def test_identifiers_and_weight_are_carried(small: Small, scores: Columns) -> None:
    events = [event for _, _, event in rows_of(small)]
    for name in ("run", "event", "luminosityBlock", "w"):
        np.testing.assert_array_equal(scores[name], [event[name] for event in events])
    assert (scores["event"].dtype, scores["run"].dtype, scores["w"].dtype) == (np.uint64, np.int32, np.float64)


def test_scores_are_those_of_the_training(small: Small, scores: Columns) -> None:
    """The native model on the blocks it was trained on, joined by file and entry through the table of the split."""
    split = parquet.read_table(small.split)
    with load_bundle(small.bundle) as bundle:
        native = bundle.native_scorer()
        with opened(small.workflow) as files:
            prepared = prepare(small.workflow, files, Collector())
            dataset = open_dataset(
                prepared.first, prepared.labelled.labels, bundle.layout, small.workflow.reading, Collector()
            )
            whole = Block.join(list(dataset.in_order()))
        expected = {
            (int(file), int(entry)): float(score)
            for file, entry, score in zip(whole.file, whole.entry, native.scores(whole.raw)[:, 0], strict=True)
        }
    keys = list(zip(scores["file"].tolist(), scores["entry"].tolist(), strict=True))
    found = {
        key: score
        for key, score, selected in zip(keys, scores["score"].tolist(), scores["selected"], strict=True)
        if selected
    }
    assert found.keys() == expected.keys()
    assert all(found[key] == pytest.approx(expected[key], abs=1e-5) for key in found)
    test = [
        key
        for *key, part in zip(
            split["file"].to_pylist(), split["entry"].to_pylist(), split["part"].to_pylist(), strict=True
        )
        if part == 2
    ]
    assert {tuple(key) for key in test} <= expected.keys()
    assert len(test) == small.result.metrics["parts"]["test"]["events"]


@pytest.mark.parametrize("suffix", [".root", ".parquet", ".csv"])
@pytest.mark.parametrize("workers", [1, 3])
def test_formats_and_workers_do_not_change_a_number(
    small: Small, scores: Columns, tmp_path: Path, suffix: str, workers: int
) -> None:
    files = list(small.paths.values())
    done, found = predict(small.bundle, files, tmp_path / f"scores{suffix}", workers=workers)
    assert (done.entries, done.selected) == (len(scores["file"]), int(scores["selected"].sum()))
    assert list(found) == list(scores)
    for name, values in scores.items():
        mine = found[name]
        if name == "score":
            mine = np.array([math.nan if x in {None, ""} else x for x in mine.tolist()], dtype=np.float32)
        np.testing.assert_array_equal(mine, values, err_msg=name)


def test_order_of_files_is_that_of_the_user(small: Small, scores: Columns, tmp_path: Path) -> None:
    names = list(small.paths)
    order = names[::-1]
    _, found = predict(small.bundle, [small.paths[name] for name in order], tmp_path / "scores.parquet")
    for file, name in enumerate(order):
        mine, theirs = found["file"] == file, scores["file"] == names.index(name)
        np.testing.assert_array_equal(found["score"][mine], scores["score"][theirs])
        np.testing.assert_array_equal(found["event"][mine], scores["event"][theirs])


def test_the_same_file_twice(small: Small, tmp_path: Path) -> None:
    done, found = predict(small.bundle, [small.paths["more"]] * 2, tmp_path / "scores.parquet")
    assert done.entries == 2 * len(SAMPLES["more"][0])
    np.testing.assert_array_equal(found["score"][found["file"] == 0], found["score"][found["file"] == 1])


def test_branches_in_another_order_and_format(small: Small, scores: Columns, tmp_path: Path) -> None:
    events = SAMPLES["signal"][0]
    turned = write_ttree(tmp_path / "turned.root", events, names=list(TYPES)[::-1], tree="other/tree", cluster=17)
    for path, tree in ((turned, "other/tree"), (write_rntuple(tmp_path / "ntuple.root", events), None)):
        _, found = predict(small.bundle, [path], tmp_path / f"{path.stem}.parquet", tree=tree)
        np.testing.assert_array_equal(found["score"], scores["score"][scores["file"] == 0])


def test_only_what_is_needed_must_be_there(small: Small, scores: Columns, tmp_path: Path) -> None:
    names = ["met", "charge", "flag", "cells", "Jet_pt", "Jet_eta", "event"]
    path = write_ttree(tmp_path / "bare.root", SAMPLES["more"][0], names=names)
    _, found = predict(small.bundle, [path], tmp_path / "bare.parquet")
    assert list(found) == ["file", "entry", "selected", "score", "event"]
    np.testing.assert_array_equal(found["score"], scores["score"][scores["file"] == 2])
    both = [small.paths["signal"], path]
    assert list(predict(small.bundle, both, tmp_path / "both.parquet")[1]) == list(found)


def test_types_of_carried_branches_hold_all_files(small: Small, tmp_path: Path) -> None:
    events = make_events(10, seed=4, signal=True, odd=False)
    large = [{**event, "event": 2**40 + i} for i, event in enumerate(events)]
    paths = [
        write_ttree(tmp_path / "small.root", events, types={"event": np.int32}),
        write_ttree(tmp_path / "large.root", large, types={"event": np.int64}),
    ]
    _, found = predict(small.bundle, paths, tmp_path / "scores.parquet")
    assert found["event"].tolist() == [event["event"] for event in events + large]


@pytest.mark.parametrize("suffix", [".root", ".parquet", ".csv"])
def test_an_empty_file(small: Small, tmp_path: Path, suffix: str) -> None:
    empty = write_ttree(tmp_path / "empty.root", [])
    done, found = predict(small.bundle, [empty], tmp_path / f"scores{suffix}")
    assert done == Predicted(0, 0)
    assert list(found) == ["file", "entry", "selected", "score", "run", "event", "luminosityBlock", "w"]
    assert all(len(values) == 0 for values in found.values())
    done, found = predict(small.bundle, [empty, small.paths["more"], empty], tmp_path / f"three{suffix}", workers=2)
    assert done.entries == len(SAMPLES["more"][0])
    assert set(found["file"].tolist()) == {1}


def test_no_entry_is_selected(small: Small, tmp_path: Path) -> None:
    events = [{**event, "met": 0.0} for event in SAMPLES["more"][0]]
    done, found = predict(small.bundle, [write_ttree(tmp_path / "none.root", events)], tmp_path / "scores.root")
    assert (done.entries, done.selected, done.outside.to_json()) == (len(events), 0, {})
    assert np.isfinite(found["score"]).all()


EVENTS = make_events(30, seed=9, signal=True, odd=False)
JAGGED = {"types": {"charge": "var * float32"}}


@pytest.mark.parametrize(
    ("change", "wishes", "error", "message"),
    [
        ({}, {"names": [n for n in TYPES if n != "met"]}, BranchNotFoundError, r"one\.root: no branch met"),
        ({"charge": [1.0]}, JAGGED, ConfigError, r"one\.root: branch charge is jagged here, flat in training"),
        (
            {"cells": 1.0},
            {"types": {"cells": np.float32}},
            ConfigError,
            "branch cells is flat here, jagged in training",
        ),
        ({}, {"names": ["met"]}, BranchNotFoundError, "no branch"),
        ({"Jet_eta": [0.0] * 9}, {}, ExpressionError, r"one\.root: .* in entry 0 in "),
    ],
)
def test_files_that_do_not_fit(
    small: Small,
    tmp_path: Path,
    change: dict[str, Any],
    wishes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    path = write_ttree(tmp_path / "one.root", [{**event, **change} for event in EVENTS], **wishes)
    with pytest.raises(error, match=message):
        predict(small.bundle, [small.paths["more"], path], tmp_path / "scores.root")
    assert [p.name for p in tmp_path.iterdir()] == ["one.root"]


def test_text_where_a_number_was(small: Small, tmp_path: Path) -> None:
    names = [name for name in TYPES if name != "charge"]
    path = write_ttree(tmp_path / "text.root", EVENTS, names=names, extra={"charge": ["+"] * len(EVENTS)})
    with pytest.raises(UnsupportedBranchError, match=r"text\.root: branch charge holds char\*, not numbers"):
        predict(small.bundle, [path], tmp_path / "scores.root")


def test_the_entry_at_fault_is_that_of_the_file(small: Small, tmp_path: Path) -> None:
    events = [*SAMPLES["more"][0], {**EVENTS[0], "Jet_pt": [40.0], "Jet_eta": []}]
    path = write_ttree(tmp_path / "one.root", events)
    with pytest.raises(ExpressionError, match=rf"in entry {len(events) - 1}\b"):
        predict(small.bundle, [path], tmp_path / "scores.root")


def test_a_file_that_is_there_stays(small: Small, tmp_path: Path) -> None:
    output = tmp_path / "scores.csv"
    output.write_text("mine")
    with pytest.raises(OutputError, match="the file exists already"):
        predict(small.bundle, [small.paths["more"]], output)
    with pytest.raises(FileReadError):
        predict(small.bundle, [tmp_path / "missing.root"], output, overwrite=True)
    assert output.read_text() == "mine"
    assert predict(small.bundle, [small.paths["more"]], output, overwrite=True)[0].entries == len(SAMPLES["more"][0])


def test_names_of_scores() -> None:
    assert score_names(("b", "s"), "binary") == ("score",)
    assert score_names((), "regression") == ("score",)
    assert score_names(("H->tautau", "Z", "1"), "multiclass") == ("score_H__tautau", "score_Z", "score_1")
    assert score_names(("a+b", "a-b", "a b"), "multiclass") == ("score_a_b", "score_a_b_", "score_a_b__")


@pytest.fixture(scope="module")
def awkward_names(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], list[list[Event]]]:
    """A multiclass model whose identifier is called as an output column, and whose weight is a variable."""
    folder = tmp_path_factory.mktemp("awkward")
    samples = [
        [{**event, "entry": 7000 + i} for i, event in enumerate(make_events(60, seed=seed, signal=False, odd=False))]
        for seed in (1, 2, 3)
    ]
    paths = [write_ttree(folder / f"{i}.root", s, types={"entry": np.int32}) for i, s in enumerate(samples)]
    model = model_file(folder, "DecisionTreeClassifier(max_depth=3)", "from sklearn.tree import DecisionTreeClassifier")
    workflow = workflow_of(
        {label: (path, label) for label, path in zip(("a+b", "a-b", "c"), paths, strict=True)},
        identifier=["event", "entry"],
        variables={"scaled": "w * (1 + flag)"},
        weights={"branch": "scaled"},
        features={"include": ["met", "cells"]},
        training={"model": str(model)},
    )
    run_training(workflow, folder / "bundle", Collector())
    return folder / "bundle", paths, samples


def test_several_classes(awkward_names: tuple[Path, list[Path], list[list[Event]]], tmp_path: Path) -> None:
    bundle, paths, samples = awkward_names
    _, found = predict(bundle, paths, tmp_path / "scores.root")
    names = ("score_a_b", "score_a_b_", "score_c")
    assert list(found) == ["file", "entry", "selected", *names, "event", "entry_", "run", "luminosityBlock", "scaled"]
    total = np.sum([found[name] for name in names], axis=0)
    np.testing.assert_allclose(total, 1.0, rtol=1e-6)
    assert found["selected"].all()
    events = [event for sample in samples for event in sample]
    assert found["entry_"].tolist() == [event["entry"] for event in events]
    assert found["entry"].tolist() == [i for sample in samples for i in range(len(sample))]
    np.testing.assert_allclose(found["scaled"], [event["w"] * (1 + event["flag"]) for event in events])


def test_a_weight_that_cannot_be_computed_is_not_carried(
    awkward_names: tuple[Path, list[Path], list[list[Event]]], tmp_path: Path
) -> None:
    bundle, _, samples = awkward_names
    path = write_ttree(tmp_path / "data.root", samples[0], names=["met", "cells", "flag", "event"])
    _, found = predict(bundle, [path], tmp_path / "scores.parquet")
    assert list(found)[6:] == ["event"]


def test_other_processes_give_the_same(small: Small, tmp_path: Path) -> None:
    """Functions, tasks and results are pickled; each process loads the bundle and opens the files itself."""
    files = list(small.paths.values())
    done, expected = predict(small.bundle, files, tmp_path / "threads.parquet")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = predict(small.bundle, files, tmp_path / "processes.parquet", executor=Executor(2, pool))
    assert there[0] == done
    for name, column in expected.items():
        assert np.array_equal(there[1][name], column, equal_nan=column.dtype.kind == "f")
