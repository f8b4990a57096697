"""The events of a training, read again and again as feature columns."""

from __future__ import annotations

import tempfile

from mlaas4hep.config.sections.data import Reading
from mlaas4hep.features.layout import Layout
from mlaas4hep.streaming.cache import Cache
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Dataset, row_bytes
from mlaas4hep.streaming.dataset.keys import rows_key
from mlaas4hep.streaming.dataset.rows import target_dtype
from mlaas4hep.streaming.dataset.store import DiskStore, TemporaryStore
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.training.events.first_pass import FirstPass
from mlaas4hep.training.events.labels import Labelling

__all__ = ["open_dataset"]


def open_dataset(first: FirstPass, labels: Labelling, layout: Layout, reading: Reading, monitor: Monitor) -> Dataset:
    """Return all selected events, to be read and kept as configured.

    Those of files that can only be read from the beginning on, such as text, are read once in the order of the files,
    and are kept on disk if they do not fit into memory: shuffled, each range would be found by reading the file anew.
    """
    budget = Budget.of(reading.memory_limit)
    sequential = any(file.source.sequential for file in first.files)
    size = first.scan.used * row_bytes(layout)
    kind, cache = DiskStore, first.cache
    if cache is None and sequential and size > budget.keep:
        kind = TemporaryStore
        cache = Cache(tempfile.mkdtemp(prefix="mlaas4hep-rows-"), reading.cache_limit, monitor.note, monitor.alert)
        what = f"{size / 1e6:,.0f} MB of feature columns are kept in {tempfile.gettempdir()} during the training"
        monitor.note(f"{what}, as such files are read from the beginning on; `reading.cache` keeps them for later ones")
    store = None
    if cache is not None:
        key = rows_key(first.key, layout, [labels.task, labels.classes, labels.text])
        ranges = [found for _, found in first.scan.ranges]
        store = kind(cache, key, ranges, layout.width, target_dtype(labels.target))
    dataset = Dataset(
        first.files,
        first.pipeline,
        first.scan,
        layout,
        labels.target,
        chunk_size=reading.chunk_size,
        executor=Executor(reading.threads),
        budget=budget,
        store=store,
    )
    if sequential:
        try:
            with monitor.stage("reading", first.scan.used) as advance:
                for events in dataset.fill():
                    advance(events, "")
        except BaseException:
            dataset.close()
            raise
    return dataset
