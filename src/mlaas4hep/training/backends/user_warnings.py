"""Python warnings of a framework, passed on to the user through the backend's own channel."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["passed_on"]

_IGNORED = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning)


@contextmanager
def passed_on(warn: Callable[[str], None]) -> Iterator[None]:
    """Call ``warn`` once with each different warning raised in the block; deprecations for developers are dropped."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            texts = [" ".join(str(w.message).split()) for w in caught if not issubclass(w.category, _IGNORED)]
    for text in dict.fromkeys(texts):
        warn(text)
