"""The scorer of a bundle as a part of functions that can be pickled."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.read import Bundle, load_bundle

__all__ = ["Scoring"]


class Scoring:
    """Scores events with the model of a bundle. Pickled, it is where the bundle lies, and each process loads it once.

    Args:
        bundle: the model.
        threads: threads of one prediction; None: the runtime's default.
        trust_code: run the ``model.py`` in the bundle, which a native torch model needs.

    Raises:
        BundleError: the model cannot be loaded, or would need code that is not trusted.
        FrameworkMissingError: the native model's framework is not installed.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None, trust_code: bool = False) -> None:
        self._scorer = bundle.scorer(threads=threads, trust_code=trust_code)
        self._loaded_from = (str(bundle.path.resolve()), threads, trust_code)

    def __call__(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores, float32 [n, outputs], of raw feature columns, float32 [n, D]."""
        return self._scorer.scores(raw)

    def __reduce__(self) -> tuple[Callable[..., Scoring], tuple[Any, ...]]:
        return _loaded, self._loaded_from


@lru_cache(maxsize=4)
def _loaded(path: str, threads: int | None, trust_code: bool) -> Scoring:
    return Scoring(load_bundle(path), threads=threads, trust_code=trust_code)
