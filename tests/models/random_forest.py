"""A random forest."""

from sklearn.ensemble import RandomForestClassifier


def model():
    return RandomForestClassifier(n_estimators=60, max_depth=10, min_samples_leaf=5)
