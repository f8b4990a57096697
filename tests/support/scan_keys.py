"""The key under which the cache keeps what was found in a file."""

from __future__ import annotations

from mlaas4hep.config import Reading, Sample, Split
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.streaming.dataset.keys import scan_key
from mlaas4hep.streaming.files import close_files, open_files
from mlaas4hep.streaming.scan.pipeline import Pipeline

__all__ = ["key"]


def key(url: str) -> str:
    """Of a table with the columns x and y."""
    files = open_files([Sample(name="s", files=(url,), label=1)], None, Reading())
    pipeline = Pipeline(
        preprocessing=Preprocessing.build((), (), {"x": "flat", "y": "flat"}),
        features=("x", "y"),
        identifier=(),
        label_branch=None,
        weight_branch=None,
        negative="keep",
        split=Split(),
        missing=(),
    )
    try:
        return scan_key(files, pipeline, events=-1, count_labels=True)
    finally:
        close_files(files)
