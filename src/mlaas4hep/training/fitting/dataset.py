"""The events of a training, read again and again as feature columns."""

from __future__ import annotations

from mlaas4hep.config.sections.data import Reading
from mlaas4hep.features.layout import Layout
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Dataset
from mlaas4hep.streaming.dataset.keys import rows_key
from mlaas4hep.streaming.dataset.rows import target_dtype
from mlaas4hep.streaming.dataset.store import DiskStore
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.training.events.first_pass import FirstPass
from mlaas4hep.training.events.labels import Labelling

__all__ = ["open_dataset"]


def open_dataset(first: FirstPass, labels: Labelling, layout: Layout, reading: Reading) -> Dataset:
    """Return all selected events, to be read and kept as configured."""
    store = None
    if first.cache is not None:
        key = rows_key(first.key, layout, [labels.task, labels.classes, labels.text])
        ranges = [found for _, found in first.scan.ranges]
        store = DiskStore(first.cache, key, ranges, layout.width, target_dtype(labels.target))
    return Dataset(
        first.files,
        first.pipeline,
        first.scan,
        layout,
        labels.target,
        chunk_size=reading.chunk_size,
        executor=Executor(reading.threads),
        budget=Budget.of(reading.memory_limit),
        store=store,
    )
