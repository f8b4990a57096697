"""Old names of Keras 2 that published model files use, accepted while user code runs and only then.

- ``lr=`` and ``decay=`` of optimizers: the learning rate, and ``InverseTimeDecay(lr, 1, decay)``, which is Keras 2's
  formula ``lr / (1 + decay * iterations)``;
- ``keras.optimizers.legacy``: the optimizers of today;
- ``schedule_decay=`` of optimizers;
- ``keras.utils.np_utils.to_categorical``.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

from mlaas4hep.frameworks.user_code.modules import importable

__all__ = ["old_keras_names"]


@contextmanager
def old_keras_names(warn: Callable[[str], None]) -> Iterator[None]:
    """Accept the old names until the end of the block.

    Args:
        warn: called with a sentence each time an old argument is used.
    """
    import keras

    base = keras.optimizers.Optimizer
    with (
        patch.object(base, "__init__", _with_old_arguments(base.__init__, warn)),
        importable(_old_modules()),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Do not pass an `input_shape`")
        yield


def _old_modules() -> dict[str, ModuleType]:
    """Return today's modules by their old names, in all packages that offer Keras."""
    places = {"keras": "keras"}
    if "tensorflow" in sys.modules:
        places |= dict.fromkeys(("keras._tf_keras.keras", "tensorflow.keras"), "keras._tf_keras.keras")
    return {
        f"{root}.{part}.{old}": importlib.import_module(f"{package}.{part}")
        for root, package in places.items()
        for part, old in (("optimizers", "legacy"), ("utils", "np_utils"))
    }


def _with_old_arguments(original: Callable[..., None], warn: Callable[[str], None]) -> Callable[..., None]:
    import keras

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        if "lr" in kwargs:
            rate = kwargs.pop("lr")
            warn(f"{name}(lr=...) is the old name of {name}(learning_rate=...)")
            args, kwargs = _with_rate(args, kwargs, rate)
        if "schedule_decay" in kwargs:
            warn(f"{name}(schedule_decay=...) no longer exists in Keras: ignored")
            del kwargs["schedule_decay"]
        decay = kwargs.pop("decay", None)
        if decay:
            warn(
                f"{name}(decay=...) is no longer part of Keras; used as the schedule learning_rate / (1 + decay * step)"
            )
            rate = args[0] if args else kwargs["learning_rate"]
            schedule = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=decay)
            args, kwargs = _with_rate(args, kwargs, schedule)
        original(self, *args, **kwargs)

    return __init__


def _with_rate(args: tuple[Any, ...], kwargs: dict[str, Any], rate: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if args:
        return (rate, *args[1:]), kwargs
    return args, {**kwargs, "learning_rate": rate}
