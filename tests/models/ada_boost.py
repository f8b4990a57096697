"""AdaBoost."""

from sklearn.ensemble import AdaBoostClassifier


def model():
    return AdaBoostClassifier(n_estimators=50)
