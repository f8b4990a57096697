"""One backend a framework, behind one protocol (`mlaas4hep.training.backends.base`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mlaas4hep.errors import ModelFileError
from mlaas4hep.frameworks.framework import found
from mlaas4hep.frameworks.registry import frameworks

if TYPE_CHECKING:
    from mlaas4hep.training.backends.base import Backend

__all__ = ["backend_for", "backends"]


@cache
def _all() -> tuple[Backend, ...]:
    return tuple(found(framework.backend)() for framework in frameworks() if framework.backend)


def backends() -> dict[str, Backend]:
    """Return all backends by name: keras, torch, xgboost, sklearn. No framework is imported."""
    return {backend.name: backend for backend in _all()}


def backend_for(model: object) -> Backend:
    """Return the backend that knows the model.

    Raises:
        ModelFileError: no backend knows it; says its type and what is supported.
    """
    for backend in _all():
        if backend.recognises(model):
            return backend
    if isinstance(model, type):
        raise ModelFileError(
            f"model() returned the class {model.__name__}", hint=f"return an instance: {model.__name__}(...)"
        )
    made = type(model)
    kind = made.__qualname__ if made.__module__ == "builtins" else f"{made.__module__}.{made.__qualname__}"
    known = ", ".join(framework.trained for framework in frameworks() if framework.trained)
    raise ModelFileError(f"model() returned an object of type {kind}", hint=f"supported are {known}")
