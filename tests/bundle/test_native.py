from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlaas4hep.bundle import Manifest, Output
from mlaas4hep.bundle.native import NativeScorer
from mlaas4hep.errors import BundleError, FrameworkMissingError
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.frameworks.native import to_scores
from mlaas4hep.frameworks.sklearn.vetting import trusted

Make = Callable[..., Manifest]
RAW = np.random.default_rng(5).normal(size=(120, 3)).astype(np.float32)
RAW[::5, 1] = np.nan
BINARY = (np.nan_to_num(RAW).sum(axis=1) > 0).astype(np.int64)
THREE = (np.nan_to_num(RAW).sum(axis=1) > 0).astype(np.int64) + (RAW[:, 0] > 0.5)


@pytest.fixture
def native(tmp_path: Path) -> Path:
    folder = tmp_path / "native"
    folder.mkdir()
    return folder


@pytest.fixture
def manifest_for(make_manifest: Make, layout: Layout) -> Callable[..., Manifest]:
    """manifest_for(framework, task): of a bundle that serves its native model."""

    def make(framework: str, task: str = "binary", used: Layout = layout) -> Manifest:
        classes = {"binary": ("a", "b"), "multiclass": ("a", "b", "c"), "regression": ()}[task]
        changes: dict[str, Any] = {"framework": framework, "task": task, "classes": classes, "signal": None}
        return make_manifest(used, **changes, outputs=(Output(shape=(1,), meaning=("",)),), served="native", reason="x")

    return make


def sigmoid(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(1 / (1 + np.exp(-values)))


class TestSklearn:
    def test_probabilities(self, native: Path, manifest_for: Make, layout: Layout) -> None:
        import skops.io
        from sklearn.ensemble import GradientBoostingClassifier

        x = layout.transform(RAW)
        for task, labels in (("binary", BINARY), ("multiclass", THREE)):
            model = GradientBoostingClassifier(n_estimators=5).fit(x, labels)
            skops.io.dump(model, native / "model.skops")
            expected = model.predict_proba(x)[:, 1:] if task == "binary" else model.predict_proba(x)
            scores = NativeScorer(native, manifest_for("sklearn", task)).scores(RAW)
            np.testing.assert_array_equal(scores, expected.astype(np.float32))

    def test_a_decision_becomes_a_probability(self, native: Path, manifest_for: Make, layout: Layout) -> None:
        import skops.io
        from sklearn.svm import LinearSVC

        x = layout.transform(RAW)
        model = LinearSVC().fit(x, BINARY)
        skops.io.dump(model, native / "model.skops")
        scores = NativeScorer(native, manifest_for("sklearn")).scores(RAW)
        np.testing.assert_allclose(scores[:, 0], sigmoid(model.decision_function(x)), rtol=1e-6)

    def test_a_regression(self, native: Path, manifest_for: Make, layout: Layout) -> None:
        import skops.io
        from sklearn.neighbors import KNeighborsRegressor

        x = layout.transform(RAW)
        model = KNeighborsRegressor().fit(x, RAW[:, 0])
        skops.io.dump(model, native / "model.skops")
        scores = NativeScorer(native, manifest_for("sklearn", "regression")).scores(RAW)
        np.testing.assert_array_equal(scores[:, 0], model.predict(x))
        assert NativeScorer(native, manifest_for("sklearn", "regression")).scores(RAW[:0]).shape == (0, 1)

    def test_foreign_types_are_refused(self, native: Path, manifest_for: Make) -> None:
        import skops.io
        from sklearn.preprocessing import FunctionTransformer

        skops.io.dump(FunctionTransformer(json.dumps), native / "model.skops")
        with pytest.raises(BundleError, match=r"types that are not trusted \(json.*; only scikit-learn's own"):
            NativeScorer(native, manifest_for("sklearn"))

    @pytest.mark.parametrize(
        ("name", "answer"),
        [
            ("sklearn.tree._tree.Tree", True),
            ("sklearn.neighbors._kd_tree.KDTree", True),
            ("numpy.dtype", True),
            ("xgboost.core.Booster", True),
            ("xgboost.core.DataIter", False),
            ("sklearn.datasets._base.urlretrieve", False),
            ("sklearn.utils.os", False),
            ("sklearn.datasets._base.Path", False),
            ("sklearn.no_such.Thing", False),
            ("numpy.load", False),
            ("sklearn.feature_selection._univariate_selection.f_classif", True),
            ("sklearn.metrics._classification.os", False),
            ("sklearn.datasets._base.load_files", False),
            ("os.system", False),
            ("sklearnish.Thing", False),
        ],
    )
    def test_only_what_known_packages_compute_with_is_trusted(self, name: str, answer: bool) -> None:
        assert trusted(name) is answer


class TestXGBoost:
    def test_all_tasks(self, native: Path, manifest_for: Make, layout: Layout) -> None:
        import xgboost

        raw_layout = replace(layout, nan=True)
        x = raw_layout.transform(RAW)
        cases: list[tuple[str, Any, NDArray[Any]]] = [
            ("binary", xgboost.XGBClassifier(n_estimators=4), BINARY),
            ("multiclass", xgboost.XGBClassifier(n_estimators=4), THREE),
            ("regression", xgboost.XGBRegressor(n_estimators=4), RAW[:, 0]),
        ]
        for task, model, labels in cases:
            model.fit(x, labels)
            model.get_booster().save_model(native / "model.ubj")
            expected = model.predict(x)[:, None] if task == "regression" else model.predict_proba(x)
            expected = expected[:, 1:] if task == "binary" else expected
            scorer = NativeScorer(native, manifest_for("xgboost", task, raw_layout), threads=1)
            np.testing.assert_allclose(scorer.scores(RAW), expected, rtol=1e-6)

    def test_early_stopping_uses_the_best_round(self, native: Path, manifest_for: Make, layout: Layout) -> None:
        import xgboost

        x = layout.transform(RAW)
        model = xgboost.XGBClassifier(n_estimators=40, early_stopping_rounds=3, learning_rate=1.0)
        model.fit(x[:60], BINARY[:60], eval_set=[(x[60:], BINARY[60:])], verbose=False)
        assert model.best_iteration < model.get_booster().num_boosted_rounds() - 1
        model.get_booster().save_model(native / "model.ubj")
        scores = NativeScorer(native, manifest_for("xgboost")).scores(RAW)
        np.testing.assert_allclose(scores[:, 0], model.predict_proba(x)[:, 1], rtol=1e-6)


CODE = """
import torch

def model(idim):
    return torch.nn.Sequential(torch.nn.Linear(idim, 1))
"""


class TestTorch:
    def write(self, native: Path, output: str) -> Any:
        import torch

        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(3, 1))
        torch.save(module.state_dict(), native / "model.pt")
        (native / "model.py").write_text(CODE)
        (native / "about.json").write_text(json.dumps({"framework": "torch", "output": output}))
        return module

    @pytest.mark.parametrize("output", ["logits", "value"])
    def test_trusted_code(self, native: Path, manifest_for: Make, layout: Layout, output: str) -> None:
        import torch

        module = self.write(native, output)
        task = "binary" if output == "logits" else "regression"
        scores = NativeScorer(native, manifest_for("torch", task), threads=1, trust_code=True).scores(RAW)
        values = module(torch.from_numpy(layout.transform(RAW))).detach().numpy()
        np.testing.assert_allclose(scores, sigmoid(values) if output == "logits" else values, rtol=1e-5)

    def test_code_is_not_run_unasked(self, native: Path, manifest_for: Make) -> None:
        self.write(native, "logits")
        (native / "model.py").write_text("raise SystemExit")
        with pytest.raises(
            BundleError, match=r"runs the code in its model.py; read the file, and allow it \(trust_code\)"
        ):
            NativeScorer(native, manifest_for("torch"))

    def test_no_model_function(self, native: Path, manifest_for: Make) -> None:
        self.write(native, "logits")
        (native / "model.py").write_text("")
        with pytest.raises(BundleError, match=r"native/model.py: it does not define model\(\)"):
            NativeScorer(native, manifest_for("torch"), trust_code=True)

    def test_outputs_of_unknown_meaning(self, native: Path, manifest_for: Make) -> None:
        self.write(native, "logits")
        (native / "about.json").unlink()
        with pytest.raises(BundleError, match="does not say whether the torch model gives probabilities or logits"):
            NativeScorer(native, manifest_for("torch"), trust_code=True)

    def test_no_code(self, native: Path, manifest_for: Make) -> None:
        self.write(native, "logits")
        (native / "model.py").unlink()
        with pytest.raises(BundleError, match=r"the bundle has no model.py for its torch weights"):
            NativeScorer(native, manifest_for("torch"), trust_code=True)


def test_a_damaged_model(native: Path, manifest_for: Make) -> None:
    (native / "model.skops").write_bytes(b"no zip")
    with pytest.raises(BundleError, match="the native sklearn model cannot be loaded"):
        NativeScorer(native, manifest_for("sklearn"))


def test_an_unknown_format(native: Path, manifest_for: Make) -> None:
    (native / "model.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"no model of a known format; known are .*model.skops"):
        NativeScorer(native, manifest_for("sklearn"))


def test_a_damaged_about_file(native: Path, manifest_for: Make) -> None:
    (native / "model.ubj").write_bytes(b"")
    (native / "about.json").write_text("{")
    with pytest.raises(BundleError):
        NativeScorer(native, manifest_for("xgboost"))


def test_a_missing_framework(native: Path, manifest_for: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    (native / "model.ubj").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "xgboost", None)
    message = r"the native model needs xgboost, which is not installed; pip install 'mlaas4hep\[xgboost\]'"
    with pytest.raises(FrameworkMissingError, match=message):
        NativeScorer(native, manifest_for("xgboost"))


def test_a_model_that_gives_another_shape(native: Path, manifest_for: Make) -> None:
    import skops.io
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier().fit(np.zeros((4, 3)), [0, 1, 0, 1])
    skops.io.dump(model, native / "model.skops")
    with pytest.raises(BundleError, match=r"the native model gives scores of shape \[120, 2\] for 120 events"):
        NativeScorer(native, manifest_for("sklearn", "multiclass")).scores(RAW)


def test_the_whole_way_from_logits_to_scores() -> None:
    logits = np.array([[1.0, 2.0], [-800.0, 800.0]])
    softmax = np.exp(logits[0]) / np.exp(logits[0]).sum()
    np.testing.assert_allclose(to_scores(logits, "logits", "binary"), [[softmax[1]], [1.0]], rtol=1e-6)
    np.testing.assert_allclose(to_scores(logits, "logits", "multiclass")[0], softmax, rtol=1e-6)
    np.testing.assert_allclose(to_scores(np.array([0.0, -1000.0]), "decision", "binary"), [[0.5], [0.0]])
    np.testing.assert_allclose(to_scores(np.array([[9.0, 0.0]]), "sigmoid", "binary"), [[0.5]])
    np.testing.assert_array_equal(to_scores(np.array([3.0]), "value", "regression"), [[3.0]])


def test_features_of_any_layout_reach_the_model(native: Path, manifest_for: Make) -> None:
    """With a mask the model sees twice the columns."""
    import skops.io
    from sklearn.linear_model import LogisticRegression

    layout = Layout((FeatureBranch("a", "jagged", 3, 0.0, 1.0, -9.0, -10.0),), mask=True)
    x = layout.transform(RAW)
    model = LogisticRegression().fit(x, BINARY)
    assert model.coef_.shape == (1, 6)
    skops.io.dump(model, native / "model.skops")
    scores = NativeScorer(native, manifest_for("sklearn", "binary", layout)).scores(RAW)
    np.testing.assert_allclose(scores[:, 0], model.predict_proba(x)[:, 1], rtol=1e-6)
