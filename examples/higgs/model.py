"""Boosted trees of scikit-learn: no framework besides the core is needed, and missing values are understood."""

from sklearn.ensemble import HistGradientBoostingClassifier


def model():
    """An untrained classifier; its trees are small, since a few events of W + jets carry most of the weight."""
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=80, max_leaf_nodes=6, min_samples_leaf=200, l2_regularization=10.0
    )
