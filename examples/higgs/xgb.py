"""Boosted trees of XGBoost (extra ``xgboost``), which understand missing values."""

from xgboost import XGBClassifier


def model():
    """An untrained classifier of small trees; see ``model.py`` for the reason."""
    return XGBClassifier(n_estimators=200, max_depth=2, learning_rate=0.1, subsample=0.8)
