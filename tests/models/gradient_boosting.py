"""Gradient boosting."""

from sklearn.ensemble import GradientBoostingClassifier


def model():
    return GradientBoostingClassifier(n_estimators=60, learning_rate=0.1, max_depth=3)
