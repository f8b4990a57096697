"""The native model of a bundle, for bundles whose model could not be converted to ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.manifest import Manifest
from mlaas4hep.errors import BundleError
from mlaas4hep.frameworks.native import NativeModel
from mlaas4hep.frameworks.scorer import Loading, checked, in_batches

__all__ = ["NativeScorer"]


class NativeScorer:
    """The native model of a bundle, loaded: `Layout.transform` and then the framework.

    Args:
        folder: the bundle's folder ``native``, verified.
        manifest: the bundle's manifest.
        threads: threads of one prediction; None: the framework's default.
        trust_code: run ``model.py``, which torch models need.

    Raises:
        MLaaS4HEPError: as for `NativeModel`.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, *, threads: int | None = None, trust_code: bool = False
    ) -> None:
        self._layout = manifest.layout
        self._width = manifest.width
        loading = Loading(manifest.task, manifest.layout.model_width, threads, trust_code)
        self._model = NativeModel(folder, loading, manifest.framework, manifest.name)

    def scores(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores of raw rows, see `Scorer.scores`."""
        return in_batches(self._batch, checked(raw, self._layout.width))

    def _batch(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        if not len(rows):
            return np.zeros((0, self._width), dtype=np.float32)
        scores = self._model.scores(self._layout.transform(rows))
        if scores.shape != (len(rows), self._width):
            what = f"the native model gives scores of shape {list(scores.shape)} for {len(rows)} events"
            raise BundleError(what)
        return scores
