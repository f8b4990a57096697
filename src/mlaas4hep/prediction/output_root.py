"""Scores as a TTree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RootFile"]

TREE = "scores"
ROWS = 100_000


class RootFile:
    """A ROOT file with the tree ``scores``; every basket holds about `ROWS` rows, whatever is given at a time."""

    def __init__(self, path: Path, columns: dict[str, np.dtype[Any]]) -> None:
        import uproot

        self._file = uproot.recreate(path)
        try:
            self._tree = self._file.mktree(TREE, columns)
        except BaseException:
            self._file.close()
            raise
        self._waiting: list[Mapping[str, NDArray[Any]]] = []
        self._rows = 0

    def write(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append rows."""
        self._waiting.append({name: values.copy() for name, values in columns.items()})
        self._rows += len(next(iter(columns.values())))
        if self._rows >= ROWS:
            self._flush()

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        try:
            self._flush()
        finally:
            self._file.close()

    def _flush(self) -> None:
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if waiting:
            self._tree.extend({name: np.concatenate([part[name] for part in waiting]) for name in waiting[0]})
