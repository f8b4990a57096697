"""Scores by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BundleError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.onnx.session import open_session
from mlaas4hep.frameworks.scorer import BATCH, checked, in_batches

__all__ = ["OnnxScorer"]


class OnnxScorer:
    """A composed ONNX model (`features` float32 [N, D] to `scores`), loaded.

    Args:
        model: the file, or its content.
        threads: threads of one prediction; None: one a core.
        batch: rows given to the model at a time.

    Raises:
        BundleError: ONNX Runtime cannot load the model.
    """

    def __init__(self, model: Path | bytes, *, threads: int | None = None, batch: int = BATCH) -> None:
        try:
            self._session = open_session(model, threads, spinning=True)
        except ModelRefusedError as error:
            raise BundleError(error.what, where="model.onnx" if isinstance(model, bytes) else str(model)) from error
        entry = self._session.get_inputs()[0]
        self._input: str = entry.name
        self._output: str = self._session.get_outputs()[0].name
        self._batch = batch
        self.width: int = int(entry.shape[1])

    def scores(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores of raw rows, see `Scorer.scores`."""
        rows = checked(raw, self.width)
        if not len(rows):  # not every operator takes an empty batch
            return in_batches(self._run, np.zeros((1, self.width), dtype=np.float32))[:0]
        return in_batches(self._run, rows, self._batch)

    def _run(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        result: NDArray[Any] = self._session.run([self._output], {self._input: rows})[0]
        return result
