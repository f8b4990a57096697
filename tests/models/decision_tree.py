"""One decision tree."""

from sklearn.tree import DecisionTreeClassifier


def model():
    return DecisionTreeClassifier(max_depth=6, min_samples_leaf=20)
