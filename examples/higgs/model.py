"""Boosted trees of scikit-learn: no framework besides the core is needed, and missing values are understood."""

from sklearn.ensemble import HistGradientBoostingClassifier


def model():
    """An untrained classifier with scikit-learn's own settings; nothing was tuned to this sample."""
    return HistGradientBoostingClassifier()
