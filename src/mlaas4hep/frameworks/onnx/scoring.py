"""Scores by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BundleError
from mlaas4hep.frameworks.scorer import BATCH, checked, in_batches

__all__ = ["OnnxScorer"]


class OnnxScorer:
    """A composed ONNX model (`features` float32 [N, D] to `scores`), loaded.

    Args:
        model: the file, or its content.
        threads: threads of one prediction; None: one a core.
        batch: rows given to the model at a time.
        providers: execution providers of ONNX Runtime in the order of preference.

    Raises:
        BundleError: ONNX Runtime cannot load the model.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        threads: int | None = None,
        batch: int = BATCH,
        providers: tuple[str, ...] = ("CPUExecutionProvider",),
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.inter_op_num_threads = 1
        if threads is not None:
            options.intra_op_num_threads = threads
        source = model if isinstance(model, bytes) else _source(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=list(providers))
        except Exception as error:  # the bindings raise classes of their own, without a common base
            where = "model.onnx" if isinstance(model, bytes) else str(model)
            what = f"ONNX Runtime cannot load the model ({str(error).splitlines()[0]})"
            raise BundleError(what, where=where) from error
        entry = self._session.get_inputs()[0]
        self._input: str = entry.name
        self._output: str = self._session.get_outputs()[0].name
        self._batch = batch
        self.width: int = int(entry.shape[1])

    def scores(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of raw rows, see `Scorer.scores`."""
        rows = checked(raw, self.width)
        if not len(rows):  # not every operator takes an empty batch
            return in_batches(self._run, np.zeros((1, self.width), dtype=np.float32))[:0]
        return in_batches(self._run, rows, self._batch)

    def _run(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        result: NDArray[Any] = self._session.run([self._output], {self._input: rows})[0]
        return result


def _source(path: Path) -> str | bytes:
    """The path, or the content where the path is not text, which ONNX Runtime does not take."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return str(path)
