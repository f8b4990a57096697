"""A Keras network with one output a class and one-hot labels."""

from keras.layers import Activation, Dense
from keras.models import Sequential


def model(idim):
    ml_model = Sequential([
        Dense(32, input_shape=(idim,)),
        Activation("relu"),
        Dense(2),
        Activation("softmax"),
    ])
    ml_model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return ml_model
