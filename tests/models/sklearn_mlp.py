"""scikit-learn's multi-layer perceptron."""

from sklearn.neural_network import MLPClassifier


def model():
    return MLPClassifier(hidden_layer_sizes=(32, 16), learning_rate_init=1e-3, max_iter=50, early_stopping=True)
