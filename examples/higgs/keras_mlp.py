"""A network in Keras (extra ``tensorflow``)."""

from keras import Input, Sequential
from keras.layers import Dense, Dropout


def model(idim):
    """A compiled network for ``idim`` feature columns."""
    network = Sequential(
        [
            Input((idim,)),
            Dense(64, activation="relu"),
            Dropout(0.1),
            Dense(32, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    network.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return network
