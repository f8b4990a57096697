"""A small residual network for pictures.

Three stages of residual blocks, as in K. He et al., "Deep Residual Learning for Image Recognition" (2016), section 4.2.
"""

from __future__ import annotations

from typing import Any

from mlaas4hep.training.images.pixels import Frame

__all__ = ["INPUT", "OUTPUT", "resnet"]

INPUT, OUTPUT = "image", "probabilities"
STAGES = 3
LARGE = 64
MOMENTUM = 0.9
"""Of the running means; Keras' own 0.99 needs thousands of batches."""


def resnet(frame: Frame, classes: int, *, blocks: int, filters: int) -> Any:
    """Build it, not compiled.

    Args:
        frame: of the pictures.
        classes: outputs, whose sum is 1.
        blocks: residual blocks in each of the three stages.
        filters: of the first stage; doubled in each further one.
    """
    import keras
    from keras import layers

    pictures = keras.Input((frame.height, frame.width, frame.channels), name=INPUT)
    large = min(frame.height, frame.width) > LARGE
    x = _convolved(pictures, filters, 7 if large else 3, 2 if large else 1)
    x = layers.Activation("relu")(x)
    for stage in range(STAGES):
        for block in range(blocks):
            x = _block(x, filters * 2**stage, 2 if stage and not block else 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(pictures, layers.Dense(classes, activation="softmax", name=OUTPUT)(x), name="resnet")


def _block(x: Any, filters: int, stride: int) -> Any:
    """Two convolutions and the way around them."""
    from keras import layers

    short = x
    if stride > 1 or x.shape[-1] != filters:
        short = _convolved(x, filters, 1, stride)
    x = layers.Activation("relu")(_convolved(x, filters, 3, stride))
    x = _convolved(x, filters, 3, 1)
    return layers.Activation("relu")(layers.Add()([short, x]))


def _convolved(x: Any, filters: int, size: int, stride: int) -> Any:
    from keras import layers

    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=MOMENTUM)(x)
