"""Bad model files: none, broken, raising, returning something unknown, wanting a framework that is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MODELS

if TYPE_CHECKING:
    from tests.cli.conftest import Work

SOURCE = Path(__file__).parents[2] / "src"

HIDE = """\
from importlib.machinery import PathFinder

real = PathFinder.find_spec


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {names!r} else real(name, path, target)


PathFinder.find_spec = find_spec
"""


def test_no_model_file(work: Work) -> None:
    path = work.inputs / "no_model.py"
    work.refused(*work.legacy(model=path), says=[f"{path}: no such model file", "define model() or model(idim)"])
    work.refused(*work.yaml(training={"model": "no_model.py"}), says=[f"{path}: no such model file"])


def test_a_file_without_model(work: Work) -> None:
    path = work.model("def network(idim):\n    return None\n")
    work.refused(*work.legacy(model=path), says=[f"{path}: no function model", "define model() or model(idim)"])


def test_a_syntax_error(work: Work) -> None:
    path = work.model("import sklearn\n\ndef model(:\n    pass\n")
    work.refused(*work.legacy(model=path), says=[f"{path}, line 3: syntax error: invalid syntax"])


def test_a_file_that_is_no_python(work: Work) -> None:
    path = work.inputs / "model.py"
    path.write_bytes(b"\x80\x04\x95 not text")
    work.refused(*work.legacy(model=path), says=[f"{path}"])


def test_an_import_that_fails(work: Work) -> None:
    path = work.model("import sys\nimport no_such_package_at_all\n\ndef model():\n    return None\n")
    says = [f"{path}, line 2: cannot be imported: No module named 'no_such_package_at_all'"]
    work.refused(*work.legacy(model=path), says=says)


def test_a_file_that_raises(work: Work) -> None:
    path = work.model("width = 3\nheight = width / 0\n\ndef model():\n    return None\n")
    says = [f"{path}, line 2: cannot be imported: ZeroDivisionError: division by zero"]
    work.refused(*work.legacy(model=path), says=says)
    path.write_text("raise SystemExit(0)\n")
    work.refused(*work.legacy(model=path), says=[f"{path}, line 1: cannot be imported: SystemExit"])


def test_a_model_function_that_raises(work: Work) -> None:
    path = work.model("def model(idim):\n    layers = []\n    return layers[idim]\n")
    says = [f"{path}, line 3: model() failed: IndexError: list index out of range"]
    work.refused(*work.legacy(model=path), says=says)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("def model():\n    pass\n", ["model() returned nothing", "return the model"]),
        (
            "def model():\n    return {'layers': 3}\n",
            ["model() returned an object of type dict", "supported are keras.Model"],
        ),
        (
            "from sklearn.tree import DecisionTreeClassifier\n\ndef model():\n    return DecisionTreeClassifier\n",
            ["model() returned the class DecisionTreeClassifier", "return an instance"],
        ),
        ("def model(a, b):\n    return 3\n", ["model takes 2 arguments (a, b)", "define model() or model(idim)"]),
        ("model = 3\n", ["no function model"]),
    ],
)
def test_a_model_function_that_returns_something_else(work: Work, body: str, says: list[str]) -> None:
    path = work.model(body)
    outcome = work.refused(*work.legacy(model=path), says=says)
    assert str(path) in outcome.error or "returned a" in outcome.error or "returned the class" in outcome.error


def test_a_model_that_does_not_fit_the_task(work: Work) -> None:
    path = work.model("from sklearn.tree import DecisionTreeRegressor as Tree\n\ndef model():\n    return Tree()\n")
    work.refused(*work.legacy(model=path), says=["DecisionTreeRegressor is not a classifier, the task is binary"])
    arguments = work.legacy(labels="0.5,1.5", task="regression")
    work.refused(*arguments, says=["DecisionTreeClassifier is not a regressor, the task is regression"])


def test_a_model_that_raises_while_it_is_fitted(work: Work) -> None:
    path = work.model(
        "from sklearn.tree import DecisionTreeClassifier\n\n\n"
        "class Broken(DecisionTreeClassifier):\n"
        "    def fit(self, x, y, sample_weight=None):\n"
        "        raise RuntimeError('no more trees')\n\n\n"
        "def model():\n    return Broken()\n"
    )
    work.refused(*work.legacy(model=path), says=["no more trees"])


@pytest.mark.parametrize(
    ("model", "missing", "extra"),
    [
        ("torch_mlp.py", {"torch"}, "torch"),
        ("keras_mlp.py", {"keras", "tensorflow", "torch", "jax"}, "tensorflow"),
        ("talk_keras.py", {"keras", "tensorflow"}, "tensorflow"),
        ("xgb.py", {"xgboost"}, "xgboost"),
    ],
)
def test_a_missing_framework(work: Work, tmp_path: Path, model: str, missing: set[str], extra: str) -> None:
    """The framework is hidden from a real process, which then finds no such package, as if it were not installed."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(HIDE.format(names=missing), encoding="utf-8")
    path = MODELS / model
    before = work.everything()
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{SOURCE}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mlaas4hep.cli.main", *map(str, work.legacy(model=path))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert done.stderr.startswith(f"error: {path}, line ")
    assert "is not installed" in done.stderr
    assert f"install it with: pip install 'mlaas4hep[{extra}]'" in done.stderr
    assert work.everything().keys() == before.keys() | {"inputs/params.json"}
