"""A Keras subclass with a training loop of its own: three rounds of the inherited fit with falling learning rate."""

import keras


@keras.saving.register_keras_serializable(package="tests")
class Annealed(keras.Model):
    def __init__(self, idim, **kwargs):
        super().__init__(**kwargs)
        self.idim = idim
        self.hidden = keras.layers.Dense(24, activation="relu")
        self.out = keras.layers.Dense(1, activation="sigmoid")

    def call(self, inputs):
        return self.out(self.hidden(inputs))

    def get_config(self):
        return {**super().get_config(), "idim": self.idim}

    def fit(self, x, y, validation_data=None, epochs=1, batch_size=None, verbose=0):
        history = None
        for rate in (1e-2, 3e-3, 1e-3):
            self.optimizer.learning_rate = rate
            history = super().fit(
                x, y, validation_data=validation_data, epochs=epochs, batch_size=batch_size, verbose=verbose
            )
        return history


def model(idim):
    net = Annealed(idim)
    net.compile(optimizer=keras.optimizers.Adam(), loss="binary_crossentropy")
    return net
