"""A multi-layer perceptron in Keras, one sigmoid output."""

from keras import Input, Sequential
from keras.layers import Dense


def model(idim):
    ml_model = Sequential([
        Input((idim,)),
        Dense(32, activation="relu"),
        Dense(16, activation="relu"),
        Dense(1, activation="sigmoid"),
    ])
    ml_model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return ml_model
