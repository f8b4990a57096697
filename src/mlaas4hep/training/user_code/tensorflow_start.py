"""How TensorFlow is started: without its lines of information on the terminal, and where it must be without oneDNN."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from mlaas4hep.training.user_code.standard_error import without_text

__all__ = ["quiet_tensorflow", "without_onednn"]

INFORMATION = re.compile(
    rb"^(WARNING: All log messages before absl::InitializeLog\(\) is called"
    rb"|.*(oneDNN custom operations are on|cpu_feature_guard\.cc|To enable the following instructions)).*\n?",
    re.MULTILINE,
)
"""Lines that say nothing about the run: TensorFlow writes them while it is imported, whatever its settings."""


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """TensorFlow, if it is imported in the block, does so without these lines."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def without_onednn() -> None:
    """To be called before TensorFlow is imported, for models that convolve, unless the user has set it.

    With oneDNN, TensorFlow 2.21 writes past its memory when it trains convolutions with few filters on small batches.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


class _Finder:
    """Finds TensorFlow where it is, and has it loaded without the lines."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """Return the spec of TensorFlow, with a loader around its own; None for all other modules."""
        spec: ModuleSpec | None = PathFinder.find_spec(name, path, target) if name == "tensorflow" else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def quietly(module: ModuleType) -> None:
            with without_text(INFORMATION):
                load(module)

        spec.loader.exec_module = quietly  # type: ignore[method-assign]
        return spec
