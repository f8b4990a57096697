"""Signal and background as trees of one file: in every command, in YAML, in lists, with ``file.root:tree``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot

from mlaas4hep.config.places import split_tree
from tests.support.cli import run

MODEL = "from sklearn.linear_model import LogisticRegression\ndef model():\n    return LogisticRegression()\n"

pytestmark = pytest.mark.usefixtures("without_report")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(5)
    with uproot.recreate(tmp_path / "two.root") as file:
        for name, mean in (("signal", 1.5), ("nested/background", 0.0)):
            file.mktree(name, {"x": "f8"}).extend({"x": rng.normal(mean, 1, 1500)})
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "params.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def auc(bundle: Path) -> float:
    return float(json.loads((bundle / "metrics.json").read_text())["parts"]["test"]["unweighted"]["auc"])


def test_trees_of_samples_in_yaml(folder: Path) -> None:
    (folder / "w.yaml").write_text(
        "samples:\n"
        "  - {name: s, files: two.root, tree: signal, label: signal}\n"
        "  - {name: b, files: two.root, tree: nested/background, label: background}\n"
        "training: {model: model.py, signal: signal}\n"
    )
    done = run("train", "w.yaml", "--fout", "bundle", "--quiet")
    assert done.code == 0, done.err
    assert 0.75 < auc(folder / "bundle") < 0.95  # two Gaussians 1.5 sigma apart: 0.856; the split differs each time
    manifest = json.loads((folder / "bundle/manifest.json").read_text())
    assert manifest["tree"] is None
    assert sorted(file["path"].rsplit(":", 1)[1] for file in manifest["provenance"]["files"]) == [
        "nested/background",
        "signal",
    ]


@pytest.mark.parametrize("form", ["list", "option"])
def test_trees_named_with_the_file(folder: Path, form: str) -> None:
    names = ["two.root:signal", "two.root:nested/background"]
    (folder / "files.txt").write_text("\n".join(names))
    files = "files.txt" if form == "list" else ",".join(names)
    done = run(
        "train", "--files", files, "--labels", "1,0", "--model", "model.py", "--params", "params.json", "--quiet",
        "--fout", "bundle",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert 0.75 < auc(folder / "bundle") < 0.95
    scored = run("predict", "bundle", "two.root:signal", "-o", "scores.root", "--json")
    assert json.loads(scored.out)["entries"] == 1500
    judged = run("evaluate", "bundle", "--files", files, "--labels", "1,0", "--json")
    assert 0.8 < json.loads(judged.out)["parts"]["data"]["unweighted"]["auc"] < 0.9


def test_a_model_without_a_name_is_called_as_its_bundle(folder: Path) -> None:
    (folder / "w.yaml").write_text(
        "samples:\n"
        "  - {name: s, files: 'two.root:signal', label: 1}\n"
        "  - {name: b, files: 'two.root:nested/background', label: 0}\n"
        "training: {model: model.py}\n"
    )
    for fout, name in (("one", "one"), ("two.tar.gz", "two")):
        done = run("train", "w.yaml", "--fout", fout)
        assert done.code == 0, done.err
        assert done.out.startswith(f"{name}: binary")


@pytest.mark.usefixtures("folder")
def test_a_file_with_several_trees_says_how_to_name_one() -> None:
    done = run("specs", "two.root", "--tree", "Events")
    assert done.code == 2
    assert "signal" in done.err


@pytest.mark.usefixtures("folder")
def test_specs_inspect_reader_and_throughput_take_the_tree() -> None:
    found = json.loads(run("specs", "two.root:signal", "two.root:nested/background", "--json").out)
    assert sum(found["events"].values()) == 3000 + found["events"].get("total", 0)
    shown = json.loads(run("inspect", "two.root:nested/background", "--json").out)
    assert {tree["name"]: len(tree["branches"]) for tree in shown["trees"]} == {"signal": 0, "nested/background": 1}
    assert "1500" in run("reader", "--fin", "two.root:signal").out
    assert json.loads(run("throughput", "two.root:signal", "--seconds", "0.2", "--json").out)["files"] == 1


def test_a_pattern_with_a_tree(folder: Path) -> None:
    (folder / "w.yaml").write_text(
        "samples:\n"
        '  - {name: s, files: "tw*.root:signal", label: 1}\n'
        '  - {name: b, files: "two.root:nested/background", label: 0}\n'
        "training: {model: model.py}\n"
    )
    assert run("train", "w.yaml", "--fout", "bundle", "--quiet").code == 0


def test_a_colon_in_the_name_of_a_file(folder: Path) -> None:
    (folder / "two.root").rename(folder / "two.root:signal")
    assert split_tree("two.root:signal") == ("two.root:signal", None)
    assert split_tree("two.root:signal:signal") == ("two.root:signal", "signal")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.root:t", ("a.root", "t")),
        ("root://host:1094//store/a.root", ("root://host:1094//store/a.root", None)),
        ("root://host:1094//store/a.root:d/t", ("root://host:1094//store/a.root", "d/t")),
        ("https://host:8443/a.root", ("https://host:8443/a.root", None)),
        ("https://host:8443", ("https://host:8443", None)),
        ("data.csv:t", ("data.csv:t", None)),
        ("a.root:", ("a.root:", None)),
        ("/store/a.root:Events;2", ("/store/a.root", "Events;2")),
    ],
)
def test_where_the_file_ends_and_the_tree_begins(name: str, expected: tuple[str, str | None]) -> None:
    assert split_tree(name) == expected
