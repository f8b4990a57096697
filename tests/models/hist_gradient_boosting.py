"""Histogram gradient boosting, which understands missing values."""

from sklearn.ensemble import HistGradientBoostingClassifier


def model():
    return HistGradientBoostingClassifier(max_iter=60)
