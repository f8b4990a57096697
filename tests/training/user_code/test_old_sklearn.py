"""Published model files with arguments of older releases of scikit-learn and Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.base import clone

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends import backend_for
from mlaas4hep.training.user_code.user_model import build_model, load_model_file
from tests.support.fitting import fit_settings, train_and_validation

OLD = [
    ("ensemble", "AdaBoostClassifier(algorithm='SAMME.R', n_estimators=3)", "AdaBoostClassifier(n_estimators=3)"),
    ("ensemble", "AdaBoostClassifier(base_estimator=None)", "AdaBoostClassifier(estimator=None)"),
    ("ensemble", "RandomForestClassifier(5, max_features='auto')", "RandomForestClassifier(5, max_features='sqrt')"),
    ("ensemble", "ExtraTreesClassifier(5, max_features='auto')", "ExtraTreesClassifier(5)"),
    (
        "ensemble",
        "GradientBoostingClassifier(loss='deviance', n_estimators=3)",
        "GradientBoostingClassifier(n_estimators=3)",
    ),
    ("ensemble", "HistGradientBoostingClassifier(loss='binary_crossentropy')", "HistGradientBoostingClassifier()"),
    ("linear_model", "SGDClassifier(loss='log', n_iter=7)", "SGDClassifier(loss='log_loss', max_iter=7)"),
    ("linear_model", "LogisticRegression(penalty='none')", "LogisticRegression(penalty=None)"),
    ("linear_model", "LogisticRegression(multi_class='auto')", "LogisticRegression()"),
    ("tree", "DecisionTreeClassifier(presort=False)", "DecisionTreeClassifier()"),
    ("model_selection", "GridSearchCV(None, {}, iid=False)", "GridSearchCV(None, {})"),
]


def made(module: str, text: str, folder: Path, warnings: list[str]) -> Any:
    file = folder / "model.py"
    name = text.partition("(")[0]
    file.write_text(f"from sklearn.{module} import {name}\nwhole = {text}\ndef model():\n    return {text}\n")
    loaded = load_model_file(file, warn=warnings.append)
    return build_model(loaded, 4, warn=warnings.append)


@pytest.mark.parametrize(("module", "old", "new"), OLD, ids=[old for _, old, _ in OLD])
def test_old_arguments_are_taken_with_a_warning(module: str, old: str, new: str, tmp_path: Path) -> None:
    warnings: list[str] = []
    model = made(module, old, tmp_path, warnings)
    told = list(dict.fromkeys(warnings))
    silent: list[str] = []
    assert repr(model) == repr(made(module, new, tmp_path, silent))
    assert silent == []
    assert told
    assert all(text.startswith(old.partition("(")[0]) for text in told)
    assert repr(clone(model)) == repr(model)
    if module != "model_selection" and "penalty" not in old:
        backend_for(model).fit(model, *train_and_validation(), fit_settings(tmp_path))


@pytest.mark.parametrize("text", ["AdaBoostClassifier(mistake=1)", "RandomForestClassifier(normalize=True)"])
def test_other_unknown_arguments_are_an_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="unexpected keyword argument"):
        made("ensemble", text, tmp_path, [])


def test_afterwards_scikit_learn_is_as_before(tmp_path: Path) -> None:
    from sklearn.ensemble import AdaBoostClassifier

    before = AdaBoostClassifier.__init__
    made("ensemble", "AdaBoostClassifier(algorithm='SAMME')", tmp_path, [])
    assert AdaBoostClassifier.__init__ is before


def test_an_optimizer_written_for_keras_2(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    file = tmp_path / "model.py"
    file.write_text(
        "from tensorflow import keras\nfrom tensorflow.keras.optimizers import Adam\ndef model(idim):\n"
        "    m = keras.Sequential([keras.layers.Dense(1, activation='sigmoid', input_shape=(idim,))])\n"
        "    m.compile(Adam(lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=None, decay=0.0, amsgrad=False), 'mse')\n"
        "    return m\n"
    )
    model: Any = build_model(load_model_file(file, warn=lambda _: None), 4, warn=lambda _: None)
    backend_for(model).fit(model, *train_and_validation(), fit_settings(tmp_path, epochs=1))
