"""Weights reach the estimators that learn, whatever is around them: compared with direct calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlaas4hep.training.backends.sklearn.backend import SklearnBackend
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings

TREE = {"max_depth": 3, "random_state": 0}


def pipe(last: Any) -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("last", last)])


def routed(model: Any) -> Any:
    """The same with scikit-learn's own requests for weights, as its user guide does it."""
    for part in (model, *model.get_params(deep=True).values()):
        if isinstance(part, (LogisticRegression, GaussianNB, DecisionTreeClassifier)):
            part.set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        if isinstance(part, StandardScaler):
            part.set_fit_request(sample_weight=False)
    return model


def votes() -> list[tuple[str, Any]]:
    return [("a", LogisticRegression()), ("b", DecisionTreeClassifier(**TREE))]


def mixed_votes() -> list[tuple[str, Any]]:
    return [("a", pipe(LogisticRegression())), ("b", GaussianNB()), ("c", KNeighborsClassifier())]


# A model, how the weights are given in a direct call (None: routed), what is warned of.
CASES: list[tuple[Callable[[], Any], str | None, str]] = [
    (lambda: pipe(LogisticRegression()), "last__sample_weight", ""),
    (lambda: pipe(pipe(GaussianNB())), "last__last__sample_weight", ""),
    (lambda: GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, cv=3), "sample_weight", ""),
    (lambda: GridSearchCV(pipe(LogisticRegression()), {"last__C": [0.01, 1.0]}, cv=3), "last__sample_weight", ""),
    (lambda: VotingClassifier(votes(), voting="soft"), "sample_weight", ""),
    (lambda: VotingClassifier(mixed_votes(), voting="soft"), None, "KNeighborsClassifier"),
    (lambda: StackingClassifier(votes(), LogisticRegression()), "sample_weight", ""),
    (lambda: StackingClassifier(mixed_votes(), LogisticRegression()), None, "KNeighborsClassifier"),
    (lambda: CalibratedClassifierCV(GaussianNB(), cv=3), "sample_weight", ""),
    (lambda: CalibratedClassifierCV(pipe(GaussianNB()), cv=3), None, ""),
    (lambda: BaggingClassifier(DecisionTreeClassifier(**TREE), 5, random_state=0), "sample_weight", ""),
    (lambda: OneVsRestClassifier(LogisticRegression()), None, ""),
    (lambda: OneVsRestClassifier(pipe(LogisticRegression())), None, ""),
    (lambda: pipe(VotingClassifier(mixed_votes(), voting="soft")), None, "KNeighborsClassifier"),
]


@pytest.mark.parametrize(("make", "argument", "without"), CASES)
def test_weights_reach_the_estimators_within(
    make: Callable[[], Any], argument: str | None, without: str, tmp_path: Path
) -> None:
    sample = make_sample(600, weights=True)
    sample.weight[sample.y == 1] *= 8  # so that a model that does not see them is another one
    warnings: list[str] = []
    backend = SklearnBackend()
    events = MemoryEvents(sample)
    model, _ = backend.fit(make(), events, MemoryEvents(make_sample(0)), fit_settings(tmp_path, warn=warnings.append))
    assert [text.partition(" takes no weights")[0] for text in warnings] == ([without] if without else [])
    np.random.seed(3)  # noqa: NPY002 - as the backend does
    direct = make()
    for key in direct.get_params():
        if key.endswith("random_state") and direct.get_params()[key] is None:
            direct.set_params(**{key: 3})
    if argument is None:
        with sklearn.config_context(enable_metadata_routing=True):
            routed(direct).fit(sample.x, sample.y, sample_weight=sample.weight)
    else:
        direct.fit(sample.x, sample.y, **{argument: sample.weight})
    x = make_sample(300, seed=9).x
    scores = backend.predict(model, x, "binary")[:, 0]
    assert np.allclose(scores, direct.predict_proba(x)[:, 1], atol=1e-6)
    unweighted = make().fit(sample.x, sample.y)
    assert np.abs(scores - unweighted.predict_proba(x)[:, 1]).mean() > 0.02


def test_what_takes_no_weights_is_named(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = fit_settings(tmp_path, warn=warnings.append)
    model = GridSearchCV(pipe(KNeighborsClassifier()), {"last__n_neighbors": [3, 5]}, cv=3)
    train = MemoryEvents(make_sample(300, weights=True))
    SklearnBackend().fit(model, train, MemoryEvents(make_sample(0)), settings)
    assert warnings == ["KNeighborsClassifier takes no weights: all events count the same in training"]
