"""Multiclass, regression and labels from a branch, from files to figures that scikit-learn computes as well."""

from __future__ import annotations

import gzip
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.config import Reading
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.prediction.predict import predict_files
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.workflow import Result, run_training
from tests.support.written import make_events, model_file, workflow_of, write_ttree


def scores_of(bundle: Path, files: list[Path], folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Scores of all entries of the files, by column."""
    with load_bundle(bundle) as loaded:
        predict_files(loaded, [str(file) for file in files], folder / "scores.parquet", Collector(), reading=Reading())
    table = parquet.read_table(folder / "scores.parquet")
    return {name: table[name].to_numpy() for name in table.column_names}


def joined(bundle: Path, files: list[Path], split: Path, folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Scores together with the table of the split, one row a used event."""
    scores = scores_of(bundle, files, folder)
    table = parquet.read_table(split)
    place = {key: i for i, key in enumerate(zip(scores["file"].tolist(), scores["entry"].tolist(), strict=True))}
    rows = [place[key] for key in zip(table["file"].to_pylist(), table["entry"].to_pylist(), strict=True)]
    mine = {name: table[name].to_numpy() for name in ("part", "y", "weight")}
    return {**mine, **{name: values[rows] for name, values in scores.items() if name.startswith("score")}}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tasks")
    samples = {"H": (True, 1), "Z": (False, 2), "W": (False, 3)}
    return {
        name: write_ttree(folder / f"{name}.root", make_events(200, seed=seed, signal=signal, odd=False))
        for name, (signal, seed) in samples.items()
    }


def trained(workflow: Workflow, folder: Path) -> Result:
    return run_training(workflow, folder / "bundle", Collector(), split_out=folder / "split.parquet")


def test_multiclass(files: dict[str, Path], tmp_path: Path) -> None:
    model = model_file(
        tmp_path,
        "DecisionTreeClassifier(max_depth=4, random_state=0)",
        "from sklearn.tree import DecisionTreeClassifier",
    )
    workflow = workflow_of(
        {name: (path, name) for name, path in files.items()},
        weights={"branch": "w"},
        features={"exclude": ["target"]},
        training={"model": str(model)},
    )
    result = trained(workflow, tmp_path)
    metrics = result.metrics
    assert (metrics["task"], metrics["classes"]) == ("multiclass", ["H", "W", "Z"])
    assert "ams" not in metrics
    found = joined(tmp_path / "bundle", list(files.values()), tmp_path / "split.parquet", tmp_path)
    scores = np.column_stack([found[f"score_{name}"] for name in ("H", "W", "Z")])
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)
    for index, name in enumerate(("train", "validation", "test")):
        chosen = found["part"] == index
        y, mine = found["y"][chosen], scores[chosen]
        for kind, weight in (("unweighted", None), ("weighted", found["weight"][chosen])):
            figures = metrics["parts"][name][kind]
            assert figures["accuracy"] == pytest.approx(accuracy_score(y, mine.argmax(axis=1), sample_weight=weight))
            aucs = [roc_auc_score(y == i, mine[:, i], sample_weight=weight) for i in range(3)]
            assert figures["auc"] == pytest.approx(np.mean(aucs), abs=1e-6)
            if name == "train":
                assert figures["loss"] == pytest.approx(log_loss(y, mine, sample_weight=weight), abs=1e-4)


def test_regression(files: dict[str, Path], tmp_path: Path) -> None:
    model = model_file(tmp_path, "LinearRegression()", "from sklearn.linear_model import LinearRegression")
    workflow = workflow_of(
        {name: (path, None) for name, path in files.items()},
        label_branch="target",
        variables={"n": "len(Jet_pt)", "ht": "sum(Jet_pt)"},
        selection="met > 5",
        features={"include": ["met", "charge"]},
        training={"model": str(model), "task": "regression"},
    )
    result = trained(workflow, tmp_path)
    assert result.metrics["task"] == "regression"
    found = joined(tmp_path / "bundle", list(files.values()), tmp_path / "split.parquet", tmp_path)
    for index, name in enumerate(("train", "validation", "test")):
        chosen = found["part"] == index
        figures = result.metrics["parts"][name]["unweighted"]
        y, mine = found["y"][chosen], found["score"][chosen]
        assert figures["rmse"] == pytest.approx(math.sqrt(mean_squared_error(y, mine)), abs=1e-4)
        assert figures["r2"] == pytest.approx(r2_score(y, mine), abs=1e-5)
        assert figures["r2"] > 0.99  # the target is n + 0.01 ht


def test_regression_on_one_number_a_file(files: dict[str, Path], tmp_path: Path) -> None:
    model = model_file(tmp_path, "DecisionTreeRegressor(max_depth=3)", "from sklearn.tree import DecisionTreeRegressor")
    workflow = workflow_of(
        {name: (path, mass) for (name, path), mass in zip(files.items(), (125.0, 91.2, 80.4), strict=True)},
        features={"include": ["met", "Jet_pt"]},
        training={"model": str(model), "task": "regression"},
    )
    result = trained(workflow, tmp_path)
    table = parquet.read_table(tmp_path / "split.parquet")
    assert set(table["y"].to_pylist()) == {float(np.float32(mass)) for mass in (125.0, 91.2, 80.4)}
    assert result.metrics["parts"]["train"]["events"] == sum(p == 0 for p in table["part"].to_pylist())


def test_whole_numbers_in_a_branch_are_classes(files: dict[str, Path], tmp_path: Path) -> None:
    model = model_file(
        tmp_path, "DecisionTreeClassifier(max_depth=3)", "from sklearn.tree import DecisionTreeClassifier"
    )
    workflow = workflow_of(
        {name: (path, None) for name, path in files.items()},
        label_branch="flag",
        features={"include": ["met", "cells"]},
        training={"model": str(model), "signal": 0},
    )
    result = trained(workflow, tmp_path)
    assert result.metrics["classes"] == ["1", "0"]
    with load_bundle(tmp_path / "bundle") as bundle:
        assert bundle.manifest.signal == "0"
        assert "flag" not in bundle.layout.columns


def test_names_in_a_table_with_weights(shared_data: Path, tmp_path: Path) -> None:
    """The ATLAS Higgs challenge: labels s and b, a weight, -999 where a value is missing."""
    source = shared_data / "higgs/atlas-higgs-challenge-2014-v2.first12889.csv.gz"
    table = tmp_path / "higgs.csv"
    with gzip.open(source, "rt") as full, table.open("w") as some:
        some.writelines(itertools.islice(full, 2501))
    model = model_file(
        tmp_path,
        "HistGradientBoostingClassifier(max_iter=10)",
        "from sklearn.ensemble import HistGradientBoostingClassifier",
    )
    workflow = workflow_of(
        {"higgs": (table, None)},
        label_branch="Label",
        weights={"branch": "Weight"},
        identifier=["EventId"],
        features={"missing": [-999], "exclude": ["Kaggle*"]},
        training={"model": str(model), "threads": 1},
    )
    result = trained(workflow, tmp_path)
    metrics = result.metrics
    assert metrics["classes"] == ["b", "s"]
    with load_bundle(tmp_path / "bundle") as bundle:
        assert bundle.layout.nan
        assert not {"EventId", "Weight", "Label"} & set(bundle.layout.columns)
    found = joined(tmp_path / "bundle", [table], tmp_path / "split.parquet", tmp_path)
    lines = [line.split(",") for line in table.read_text().splitlines()]
    weight, label = lines[0].index("Weight"), lines[0].index("Label")
    assert found["y"].tolist() == [int(line[label] == "s") for line in lines[1:]]
    assert found["weight"].tolist() == [float(line[weight]) for line in lines[1:]]
    ams = metrics["ams"]
    test = found["part"] == 2
    total = [found["weight"][found["y"] == i].sum() for i in (0, 1)]
    scale = [total[i] / found["weight"][test & (found["y"] == i)].sum() for i in (0, 1)]
    selected = test & (found["score"] >= np.float32(ams["threshold"]))
    b, s = (scale[i] * found["weight"][selected & (found["y"] == i)].sum() for i in (0, 1))
    assert ams["b_r"] == 10.0
    assert ams["value"] == pytest.approx(math.sqrt(2 * ((s + b + 10) * math.log(1 + s / (b + 10)) - s)), rel=0.02)
    auc = roc_auc_score(found["y"][test], found["score"][test], sample_weight=found["weight"][test])
    assert metrics["parts"]["test"]["weighted"]["auc"] == pytest.approx(auc, abs=1e-5)
