"""Logistic regression."""

from sklearn.linear_model import LogisticRegression


def model():
    return LogisticRegression(max_iter=1000)
