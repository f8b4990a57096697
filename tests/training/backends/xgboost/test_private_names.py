"""The private method of XGBoost's estimators that a streamed training replaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")


@pytest.mark.parametrize("tree_method", ["hist", "approx"])
@pytest.mark.parametrize("kind", ["XGBClassifier", "XGBRegressor"])
def test_fit_makes_the_training_matrix_then_the_others_with_it(kind: str, tree_method: str) -> None:
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    y = np.arange(6) % 2
    model = getattr(xgboost, kind)(n_estimators=1, tree_method=tree_method)
    usual = model._create_dmatrix
    made: list[Any] = []
    references: list[Any] = []

    def create(ref: Any, **options: Any) -> Any:
        assert options.keys() >= {"missing", "enable_categorical", "feature_types"}
        references.append(ref)
        made.append(usual(ref, **options))
        return made[-1]

    model._create_dmatrix = create
    model.fit(x, y, eval_set=[(x.copy(), y.copy())], verbose=False)
    assert len(references) == 2
    assert references[0] is None
    assert references[1] is made[0]
