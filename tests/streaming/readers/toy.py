"""A format in one file: text with a number a line, as the column ``x``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlaas4hep.features.columns import Column
from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.readers.common import Reader, clusters_of
from mlaas4hep.streaming.readers.files import digest


class NumbersSource(Reader):
    """One file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._identity = digest(path)
        self._values = np.array(Path(path).read_text().split(), dtype=np.float64)
        self._entries = len(self._values)
        self._clusters = clusters_of([0, self._entries], self._entries)
        self._branches = {"x": Branch("x", "flat", "float64")}

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        return dict.fromkeys(names, self._values[start:stop])
