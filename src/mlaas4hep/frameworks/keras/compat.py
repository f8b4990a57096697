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

__all__ = ["old_names"]

_MISSING = object()


@contextmanager
def old_names(warn: Callable[[str], None]) -> Iterator[None]:
    """Accept the old names until the end of the block.

    Args:
        warn: called with a sentence each time an old argument is used.
    """
    import keras

    undo: list[Callable[[], None]] = []
    try:
        _patch_optimizers(keras, warn, undo)
        for root, names in _roots().items():
            _add_module(f"{root}.optimizers", "legacy", _legacy(), names, undo)
            np_utils = ModuleType(f"{root}.utils.np_utils")
            np_utils.to_categorical = keras.utils.to_categorical  # type: ignore[attr-defined]
            _add_module(f"{root}.utils", "np_utils", np_utils, names, undo)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Do not pass an `input_shape`")
            yield
    finally:
        for step in reversed(undo):
            step()


def _roots() -> dict[str, tuple[str, ...]]:
    """The packages that offer Keras, and the other names they are imported by."""
    if "tensorflow" in sys.modules:
        return {"keras": (), "keras._tf_keras.keras": ("tensorflow.keras",)}
    return {"keras": ()}


def _patch_optimizers(keras: Any, warn: Callable[[str], None], undo: list[Callable[[], None]]) -> None:
    base = keras.optimizers.Optimizer
    own = base.__dict__.get("__init__", _MISSING)
    original = base.__init__

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

    def restore() -> None:
        if own is _MISSING:
            del base.__init__
        else:
            base.__init__ = own

    base.__init__ = __init__
    undo.append(restore)


def _with_rate(args: tuple[Any, ...], kwargs: dict[str, Any], rate: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if args:
        return (rate, *args[1:]), kwargs
    return args, {**kwargs, "learning_rate": rate}


def _legacy() -> ModuleType:
    """A module with today's optimizers."""
    import keras

    legacy = ModuleType("keras.optimizers.legacy")
    for name in dir(keras.optimizers):
        item = getattr(keras.optimizers, name)
        if isinstance(item, type) and issubclass(item, keras.optimizers.Optimizer):
            setattr(legacy, name, item)
    return legacy


def _add_module(
    parent: str, name: str, module: ModuleType, aliases: tuple[str, ...], undo: list[Callable[[], None]]
) -> None:
    """Make a module importable as ``parent.name`` and as an attribute of its parent."""
    package = importlib.import_module(parent)
    section = parent.rpartition(".")[2]
    before = getattr(package, name, _MISSING)
    setattr(package, name, module)
    undo.append(lambda: delattr(package, name) if before is _MISSING else setattr(package, name, before))
    for full in (f"{parent}.{name}", *(f"{alias}.{section}.{name}" for alias in aliases)):
        old = sys.modules.get(full)
        sys.modules[full] = module
        undo.append(lambda full=full, old=old: _put_back(full, old))  # type: ignore[misc]


def _put_back(name: str, module: ModuleType | None) -> None:
    if module is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = module
