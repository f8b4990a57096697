"""A support vector machine with probabilities."""

from sklearn.svm import SVC


def model():
    return SVC(probability=True)
