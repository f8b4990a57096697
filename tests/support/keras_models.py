"""A Keras model around every layer and every operation that can stand in one, found by trying."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

__all__ = ["layer_names", "model_of_layer", "model_of_operation", "operation_names", "values_for"]

SHAPES = [(6,), (8, 4), (8, 8, 3), (6, 6, 6, 2), (4, 6, 6, 6, 2)]
SETTINGS: dict[str, dict[str, Any]] = {
    "ActivityRegularization": {},
    "CategoryEncoding": {"num_tokens": 10, "output_mode": "multi_hot"},
    "CenterCrop": {"height": 4, "width": 4},
    "Cropping1D": {},
    "Dense": {"units": 3},
    "DepthwiseConv1D": {"kernel_size": 2},
    "DepthwiseConv2D": {"kernel_size": 2},
    "Discretization": {"bin_boundaries": [-1.0, 0.0, 1.0]},
    "EinsumDense": {"equation": "ab,bc->ac", "output_shape": 3},
    "Embedding": {"input_dim": 10, "output_dim": 3},
    "GaussianDropout": {"rate": 0.2},
    "GaussianNoise": {"stddev": 0.2},
    "AlphaDropout": {"rate": 0.2},
    "Dropout": {"rate": 0.2},
    "SpatialDropout1D": {"rate": 0.2},
    "SpatialDropout2D": {"rate": 0.2},
    "SpatialDropout3D": {"rate": 0.2},
    "GroupNormalization": {"groups": 2},
    "GroupQueryAttention": {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1},
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 2},
    "Hashing": {"num_bins": 5},
    "IntegerLookup": {"vocabulary": [1, 2, 3]},
    "StringLookup": {"vocabulary": ["1", "2", "3"]},
    "TextVectorization": {"vocabulary": ["1", "2", "3"]},
    "Normalization": {"mean": 1.0, "variance": 2.0},
    "Permute": {"dims": (2, 1)},
    "RepeatVector": {"n": 3},
    "Rescaling": {"scale": 2.0},
    "Reshape": {"target_shape": (-1,)},
    "Resizing": {"height": 4, "width": 4},
    "Activation": {"activation": "relu"},
    "RandomBrightness": {"factor": 0.2},
    "RandomColorDegeneration": {"factor": 0.2},
    "RandomContrast": {"factor": 0.2},
    "RandomHue": {"factor": 0.2},
    "RandomRotation": {"factor": 0.2},
    "RandomSaturation": {"factor": 0.2},
    "RandomSharpness": {"factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "MelSpectrogram": {"sequence_stride": 2, "fft_length": 4, "sampling_rate": 100, "min_freq": 1.0, "max_freq": 40.0},
    "STFTSpectrogram": {"frame_length": 4, "frame_step": 2, "fft_length": 4},
    "ReversibleEmbedding": {"input_dim": 10, "output_dim": 3},
}
MERGING = {"Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract", "Attention",
           "AdditiveAttention"}  # fmt: skip
TWO = {"MultiHeadAttention", "GroupQueryAttention"}
WRAPPED = {"Bidirectional": lambda: keras.layers.LSTM(3), "TimeDistributed": lambda: keras.layers.Dense(3),
           "SpectralNormalization": lambda: keras.layers.Dense(3), "RNN": lambda: keras.layers.LSTMCell(3),
           "Pipeline": lambda: [keras.layers.Dense(3), keras.layers.ReLU()]}  # fmt: skip
CELLS = {"GRUCell", "LSTMCell", "SimpleRNNCell"}
DTYPES = {"Embedding": "int32", "ReversibleEmbedding": "int32", "CategoryEncoding": "int32",
          "IntegerLookup": "int64", "StringLookup": "string",
          "TextVectorization": "string", "Hashing": "int64"}  # fmt: skip


def layer_names() -> list[str]:
    """Names of all layer classes of Keras."""
    found = {name: getattr(keras.layers, name) for name in dir(keras.layers)}
    return sorted(n for n, c in found.items() if inspect.isclass(c) and issubclass(c, keras.layers.Layer))


def operation_names() -> list[str]:
    """Names of all functions of keras.ops and its groups."""
    found = []
    for group in ("", "image", "linalg", "nn", "numpy"):
        place = getattr(keras.ops, group, None) if group else keras.ops
        for name in dir(place):
            function = getattr(place, name)
            if inspect.isfunction(function) and not name.startswith("_"):
                found.append(f"{group}.{name}" if group else name)
    return sorted({name.rpartition(".")[2]: name for name in sorted(found, reverse=True)}.values())


def model_of_layer(name: str) -> keras.Model | None:
    """A model with one such layer; None if it takes no tensors of any of the shapes tried."""
    for build in (lambda shape: _one(name, shape), lambda shape: _two(name, shape)):
        for shape in SHAPES:
            try:
                return build(shape)
            except Exception:  # not these inputs
                continue
    return None


def model_of_operation(name: str) -> keras.Model | None:
    """A model with one such operation; None if it takes no tensors of any of the shapes tried."""
    function: Any = keras.ops
    for part in name.split("."):
        function = getattr(function, part)
    for dtype in ("float32", "int32", "bool"):
        for shape in [(6,), (6, 6), (8, 8, 3), (8, 4)]:
            inputs = [keras.Input(shape, dtype=dtype, name=f"x{number}") for number in range(3)]
            for used, arguments in _arguments(inputs, shape):
                try:
                    result = function(*arguments)
                    flat = [item for item in keras.tree.flatten(result) if isinstance(item, keras.KerasTensor)]
                    if not flat:
                        continue
                    model = keras.Model(inputs[:used], flat)
                    model([np.ones((2, *shape), dtype) for _ in range(used)])
                except Exception:  # not these arguments
                    continue
                return model
    return None


def values_for(model: keras.Model, seed: int = 3) -> list[Any]:
    """Five rows for each input."""
    random = np.random.default_rng(seed)
    found = []
    for tensor in model.inputs:
        shape = (5, *(4 if size is None else size for size in tensor.shape[1:]))
        kind = str(tensor.dtype)
        if kind == "string":
            found.append(random.integers(0, 5, shape).astype(str).astype(object))
        elif kind == "bool":
            found.append(random.integers(0, 2, shape).astype(bool))
        elif "int" in kind:
            found.append(random.integers(0, 5, shape).astype(kind))
        else:
            found.append(random.normal(size=shape).astype(kind))
    return found


def _one(name: str, shape: tuple[int, ...]) -> keras.Model:
    given = keras.Input(shape, dtype=DTYPES.get(name, "float32"), name="x")
    model = keras.Model(given, _made(name)(given))
    model(values_for(model)[0])
    return model


def _two(name: str, shape: tuple[int, ...]) -> keras.Model:
    first, second = keras.Input(shape, name="x"), keras.Input(shape, name="y")
    made = _made(name)
    if name == "Dot":
        made = keras.layers.Dot(axes=1)
    result = made(first, second) if name in TWO else made([first, second])
    model = keras.Model([first, second], result)
    model(values_for(model))
    return model


def _made(name: str) -> Any:
    kind = getattr(keras.layers, name)
    if name in CELLS:
        return keras.layers.RNN(kind(3))
    if name == "StackedRNNCells":
        return keras.layers.RNN(kind([keras.layers.LSTMCell(3), keras.layers.GRUCell(2)]))
    if name in WRAPPED:
        return kind(WRAPPED[name]())
    if name in SETTINGS:
        return kind(**SETTINGS[name])
    required = [
        p.name
        for p in inspect.signature(kind).parameters.values()
        if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD
    ]
    return kind(**dict.fromkeys(required, 2))


def _arguments(x: list[Any], shape: tuple[int, ...]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """What an operation may be called with, and how many of the inputs that are."""
    yield 1, (x[0],)
    yield 2, (x[0], x[1])
    yield 1, (x[0], 1)
    yield 1, (x[0], "float32")
    yield 1, (x[0], (-1, *shape))
    yield 2, ([x[0], x[1]],)
    yield 1, (x[0], 0.2)
    yield 1, (x[0], np.ones((*shape[-1:], 3), "float32"))
    yield 3, (x[0], x[1], x[2])
    yield 1, (x[0], -1.0, 1.0)
    yield 1, (x[0], 1, 2)
    yield 1, (x[0], [1] * (len(shape) + 1))
    yield 1, (x[0], [[0, 0]] * (len(shape) + 1))
    yield 1, (x[0], (2, 2))
    yield 1, (x[0], (2, 2), (1, 1))
    yield 1, (x[0], np.ones((2, 2, shape[-1], 2), "float32"))
    yield 1, (x[0], np.zeros(shape, "int32"))
    yield 1, ("ij,jk->ik", x[0], np.ones((*shape[-1:], 3), "float32"))
    yield 2, ("ij,ij->i", x[0], x[1])
    yield 1, (x[0], 1, (2,))
    yield 1, (x[0], (2, 1), 1)
    yield 1, (x[0], np.zeros((1, len(shape) + 1), "int32"), np.ones(1, "float32"))
