"""A Keras model file as written for TensorFlow 2.3: Adam(lr=...), input_shape=."""

from tensorflow import keras
from tensorflow.keras.layers import Dense, Dropout
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import Adam


def model(idim):
    ml_model = Sequential()
    ml_model.add(Dense(64, activation="relu", input_shape=(idim,)))
    ml_model.add(Dropout(0.2))
    ml_model.add(Dense(32, activation="relu"))
    ml_model.add(Dense(1, activation="sigmoid"))
    ml_model.compile(
        optimizer=Adam(lr=1e-3),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy"), keras.metrics.AUC(name="auc")],
    )
    return ml_model
