"""How TensorFlow is started: without its lines of information on the terminal, and where it must be without oneDNN."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import IO, Any

__all__ = ["quiet_tensorflow", "without_lines", "without_onednn"]

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


@contextmanager
def without_lines(pattern: re.Pattern[bytes]) -> Iterator[None]:
    """Drop what fits the pattern from all that the process writes to its standard error in the block.

    The rest is written when the block ends, however it ends; where that cannot be done, nothing is held back.
    """
    with ExitStack() as stack:
        try:
            kept = stack.enter_context(tempfile.TemporaryFile())
            own = os.dup(2)
        except OSError:  # no place for files, or no standard error
            yield
            return
        stack.callback(_give_back, own, kept, pattern)
        sys.stderr.flush()
        os.dup2(kept.fileno(), 2)
        yield


def _give_back(own: int, kept: IO[bytes], pattern: re.Pattern[bytes]) -> None:
    """Standard error as it was, with what was written meanwhile."""
    sys.stderr.flush()
    os.dup2(own, 2)
    os.close(own)
    kept.seek(0)
    text = pattern.sub(b"", kept.read())
    while text:
        text = text[os.write(2, text) :]


class _Finder:
    """Finds TensorFlow where it is, and has it loaded without the lines."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """The spec of TensorFlow, with a loader around its own; None for all other modules."""
        spec: ModuleSpec | None = PathFinder.find_spec(name, path, target) if name == "tensorflow" else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def quietly(module: ModuleType) -> None:
            with without_lines(INFORMATION):
                load(module)

        spec.loader.exec_module = quietly  # type: ignore[method-assign]
        return spec
