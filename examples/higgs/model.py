"""Boosted trees of scikit-learn: no framework besides the core is needed, and missing values are understood."""

from sklearn.ensemble import HistGradientBoostingClassifier


def model():
    """An untrained classifier."""
    return HistGradientBoostingClassifier(learning_rate=0.08, max_iter=200, max_leaf_nodes=24, l2_regularization=1.0)
