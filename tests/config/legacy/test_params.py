from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.config import ConfigWarning, Features, Reading, Split, Training, Variable, Weights, Workflow, read_legacy
from mlaas4hep.config.legacy.params import KEYS, read_params
from mlaas4hep.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.root", "b.root"):
        (tmp_path / name).touch()
    return tmp_path


def read(folder: Path, content: Any, labels: str = "1,0") -> Workflow:
    path = folder / "params.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_legacy("a.root,b.root", labels, Path("params.json"), Path("model.py"))


def training(workflow: Workflow) -> Training:
    assert workflow.training is not None
    return workflow.training


def test_defaults(folder: Path) -> None:
    found = read(folder, {})
    assert (found.name, found.tree, found.events, found.identifier) == ("model", "Events", -1, None)
    assert found.split == Split(validation=0.3, test=0.2, seed=0)
    assert found.reading == Reading(chunk_size=1000)
    assert found.training == Training(model=folder / "model.py", batch_size=256, order="standard", epochs=None)
    assert found.features == Features()
    assert found.weights == Weights()
    assert [sample.weight for sample in found.samples] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("key", "value", "place", "expected"),
    [
        ("name", "higgs", "name", "higgs"),
        ("nevts", 500, "events", 500),
        ("branch", "boostedAk8/events", "tree", "boostedAk8/events"),
        ("identifier", "", "identifier", ()),
        ("identifier", "event", "identifier", ("event",)),
        ("identifier", "run, event", "identifier", ("run", "event")),
        ("identifier", ["run", "event"], "identifier", ("run", "event")),
        ("identifier", None, "identifier", None),
        ("variables", {"a": "x + 1"}, "variables", (Variable(name="a", expression="x + 1"),)),
        ("branch", "", "tree", "Events"),
        ("name", "", "name", "model"),
        ("hist", "", "histograms", None),
        ("selected_branches", "", "features.include", ()),
        ("selected_branches", "MET, Jet_*", "features.include", ("MET", "Jet_*")),
        ("selected_branches", ["MET"], "features.include", ("MET",)),
        ("selected_branches", "MET", "features.include", ("MET",)),
        ("exclude_branches", "weight,gen*", "features.exclude", ("weight", "gen*")),
        ("length", 4, "features.length", {"default": 4}),
        ("length", {"Jet_pt": 3}, "features.length", {"Jet_pt": 3}),
        ("quantile", 0.99, "features.quantile", 0.99),
        ("normalisation", "robust", "features.normalisation", "robust"),
        ("normalization", "standard", "features.normalisation", "standard"),
        ("missing", -999, "features.missing", (-999.0,)),
        ("missing", [-999, -1], "features.missing", (-999.0, -1.0)),
        ("impute", "centre", "features.impute", "centre"),
        ("mask", True, "features.mask", True),
        ("weight_branch", "weight", "weights.branch", "weight"),
        ("class_balance", False, "weights.balance", False),
        ("negative_weights", "drop", "weights.negative", "drop"),
        ("split", 0.25, "split.validation", 0.25),
        ("test", 0.1, "split.test", 0.1),
        ("chunk_size", -1, "reading.chunk_size", -1),
        ("workers", 2, "reading.workers", 2),
        ("memory_limit", "2 GB", "reading.memory_limit", 2_000_000_000),
        ("memory_limit", 1000, "reading.memory_limit", 1000),
        ("cache", "/scratch/cache", "reading.cache", Path("/scratch/cache")),
        ("cache_limit", "5 GB", "reading.cache_limit", 5_000_000_000),
        ("redirector", "root://host", "reading.redirector", "root://host"),
        ("on_bad_file", "skip", "reading.on_bad_file", "skip"),
        ("max_bad", "5 %", "reading.max_bad", "5%"),
        ("redirector", "", "reading.redirector", None),
        ("names", "x, y", "reading.names", ("x", "y")),
        ("separator", ";", "reading.separator", ";"),
        ("separator", "", "reading.separator", None),
        ("epochs", 5, "training.epochs", 5),
        ("epochs", None, "training.epochs", None),
        ("batch_size", 50, "training.batch_size", 50),
        ("shuffle", False, "training.shuffle", False),
        ("training", "standard", "training.order", "standard"),
        ("training", "chunk", "training.order", "chunk"),
        ("early_stopping", 3, "training.early_stopping", 3),
        ("importance", 0, "training.importance", 0),
        ("seed", 7, "training.seed", 7),
        ("seed", 7, "split.seed", 7),
        ("threads", 1, "training.threads", 1),
        ("task", "multiclass", "training.task", "multiclass"),
        ("signal", 1, "training.signal", 1),
        ("signal", "1", "training.signal", "1"),
        ("verbose", 2, "training.verbose", 2),
        ("metrics", True, "training.classification_report", True),
        ("metrics", False, "training.classification_report", False),
        ("metrics", "False", "training.classification_report", False),
        ("metrics", {"threshold": 0.7}, "training.threshold", 0.7),
        ("metrics", {"threshold": 0.7}, "training.classification_report", True),
    ],
)
def test_each_key(folder: Path, key: str, value: object, place: str, expected: object) -> None:
    found: Any = read(folder, {key: value})
    for part in place.split("."):
        found = getattr(found, part)
    assert found == expected
    assert isinstance(found, type(expected))


def test_every_key_is_tested_or_has_a_test_of_its_own() -> None:
    marks: Any = test_each_key
    tested = {case[0] for case in marks.pytestmark[0].args[1]}
    assert set(KEYS) - tested == {"weights", "nan", "label_branch", "selection"}


def test_selection(folder: Path) -> None:
    assert [cut.expression for cut in read(folder, {"selection": "x > 1"}).selection] == ["x > 1"]
    cuts = read(folder, {"selection": ["x > 1", {"name": "tight", "expression": "y > 2"}]}).selection
    assert [(cut.name, cut.expression) for cut in cuts] == [("x > 1", "x > 1"), ("tight", "y > 2")]


def test_hist_is_in_the_working_folder(folder: Path) -> None:
    assert read(folder, {"hist": "pdfs"}).histograms == folder / "pdfs"


def test_label_branch(folder: Path) -> None:
    found = read(folder, {"label_branch": "isSignal"}, labels="")
    assert found.label_branch == "isSignal"
    assert [sample.label for sample in found.samples] == [None, None]


def test_branches_from_a_file(folder: Path) -> None:
    (folder / "branches.txt").write_text("# features\nMET\n\nJet_*\n")
    assert read(folder, {"selected_branches": "branches.txt"}).features.include == ("MET", "Jet_*")
    with pytest.raises(ConfigError) as caught:
        read(folder, {"exclude_branches": "none.txt"})
    assert str(caught.value) == "params.json: exclude_branches: no such file: none.txt"


def test_branches_from_a_file_beside_the_parameters(folder: Path) -> None:
    beside = folder / "beside"
    beside.mkdir()
    (beside / "branches").write_text("MET")
    (beside / "params.json").write_text('{"exclude_branches": "branches"}')
    assert read_params(Path("beside/params.json")).sections["features"]["exclude"] == ["MET"]


@pytest.mark.parametrize("value", ["NaN", "null", '"nan"', '"NaN"', '""'])
def test_nan_is_what_it_is(folder: Path, value: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(folder, f'{{"nan": {value}}}').features.missing == ()


def test_another_padding_value_is_not_used(folder: Path) -> None:
    with pytest.warns(ConfigWarning) as caught:
        found = read(folder, {"nan": -5})
    assert str(caught[0].message) == (
        "params.json: nan: padding is always NaN here, so -5 is not used; `missing` lists values that mean missing"
    )
    assert found.features.missing == ()


def test_another_word_for_training_means_chunks(folder: Path) -> None:
    with pytest.warns(ConfigWarning) as caught:
        found = read(folder, {"training": "mlaas"})
    assert str(caught[0].message) == (
        "params.json: training: 'mlaas' is not 'standard', so all epochs go over one chunk, then over the next"
    )
    assert training(found).order == "chunk"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"epoch": 3}, "params.json: unknown key 'epoch'; did you mean 'epochs'?"),
        ({"chunksize": 3}, "params.json: unknown key 'chunksize'; did you mean 'chunk_size'?"),
        ({"epochs": 0}, "params.json: epochs: should be greater than or equal to 1, is 0"),
        ({"nevts": "all"}, "params.json: nevts: should be a valid integer, is 'all'"),
        ({"nevts": 0}, "params.json: nevts: should be positive, or -1 for all, is 0"),
        ({"split": 1.5}, "params.json: split: should be less than 1, is 1.5"),
        ({"split": 0.5, "test": 0.5}, "params.json: validation 0.5 + test 0.5 leave nothing for training"),
        ({"chunk_size": 0}, "params.json: chunk_size: should be positive, or -1 for all, is 0"),
        ({"branch": 5}, "params.json: branch: should be a valid string, is 5"),
        ({"hist": True}, "params.json: hist: should be a path, is True"),
        ({"length": {"Jet_pt": "x"}}, "params.json: length.Jet_pt: should be a valid integer, is 'x'"),
        (
            {"normalization": "max"},
            "params.json: normalization: should be 'minmax', 'standard', 'robust' or 'none', is 'max'",
        ),
        (
            {"normalisation": "max"},
            "params.json: normalisation: should be 'minmax', 'standard', 'robust' or 'none', is 'max'",
        ),
        (
            {"normalisation": "none", "normalization": "none"},
            "params.json: key 'normalisation' is given twice, with two spellings",
        ),
        ({"selection": [{"name": "a"}]}, "params.json: selection.0: required key 'expression' is missing"),
        ({"variables": {"a": {"expr": "x", "expression": "y"}}}, "params.json: variables.0: unknown key 'expr'"),
        (
            {"memory_limit": "much"},
            "params.json: memory_limit: should be a number of bytes, or a size such as '2 GB' or '500 MiB', is 'much'",
        ),
        ({"training": 5}, "params.json: training: should be 'standard' or 'chunk', is 5"),
        ({"metrics": "auc"}, "params.json: metrics: should be true, false or {\"threshold\": 0.5}, is 'auc'"),
        ({"metrics": {"treshold": 1}}, "params.json: metrics: unknown key 'treshold'; did you mean 'threshold'?"),
        ({"nan": "x"}, "params.json: nan: should be NaN or a number, is 'x'"),
        ({"nan": True}, "params.json: nan: should be NaN or a number, is True"),
        ({"seed": -1}, "params.json: seed: should be greater than or equal to 0, is -1"),
        ({"weights": [1, "x"]}, "params.json: weights: should be a valid number, is 'x'"),
        ({"weights": [1]}, "params.json: weights: 1 weight for 2 files; give one weight per file, in the same order"),
        ({"weights": 3}, "params.json: weights: should be a list or an object, is 3; give one weight per file"),
        ({"weights": {"a": 1}}, "params.json: weights: no weight for file b.root; add 'b'"),
        ({"weights": {"a": 1, "b": 1, "c": 1}}, "params.json: weights: no file is called 'c'; the files are a, b"),
        (
            {"label_branch": "y"},
            (
                "params.json: label_branch: labels are given twice; "
                "there is also one label per file from --labels; keep one"
            ),
        ),
        ('{"epochs": 3, "epochs": 4}', "params.json: key 'epochs' is given twice; keep one of them"),
        ('{"epochs": 3\n "seed": 4}', "params.json:2:2: not valid JSON: Expecting ',' delimiter"),
    ],
)
def test_mistakes(folder: Path, content: Any, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(folder, content)
    assert str(caught.value) == what


@pytest.mark.parametrize(
    "weights", [[2, 0.5], {"a": 2, "b": 0.5}, {"a.root": 2, "b.root": 0.5}, {"a": 2, "b.root": 0.5}]
)
def test_weights(folder: Path, weights: object) -> None:
    assert [sample.weight for sample in read(folder, {"weights": weights}).samples] == [2.0, 0.5]
