"""The first pass over the files of a training: which branches are read, what of the events passes, and the specs."""

from __future__ import annotations

from dataclasses import dataclass

from mlaas4hep.config.parts import EventSettings
from mlaas4hep.config.sections.data import Reading
from mlaas4hep.features.cutflow import Cutflow, render
from mlaas4hep.streaming.cache import Cache
from mlaas4hep.streaming.dataset.keys import UnknownVersionError, scan_key
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.scan.branches import BranchChoice, choose_branches
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.result import Scan, cutflows_of
from mlaas4hep.streaming.scan.scan import scan
from mlaas4hep.streaming.scan.state import scan_from_state, scan_to_state

__all__ = ["FirstPass", "first_pass"]


@dataclass(frozen=True)
class FirstPass:
    """What the first pass gives.

    Attributes:
        files: open ones, in canonical order.
        cache: what keeps specs and rows for later, if the user wants one.
        key: of the first pass in the cache.
    """

    files: tuple[DataFile, ...]
    branches: BranchChoice
    pipeline: Pipeline
    scan: Scan
    cache: Cache | None = None
    key: str = ""

    @property
    def cutflows(self) -> dict[str, Cutflow]:
        """The cutflow of each file by its path."""
        return cutflows_of(self.files, self.scan.files)


def first_pass(
    files: tuple[DataFile, ...],
    settings: EventSettings,
    reading: Reading,
    monitor: Monitor,
    *,
    events: int = -1,
    count_labels: bool = True,
    executor: Executor | None = None,
) -> FirstPass:
    """Decide on the branches and go over all files once, or take what a cache has of that.

    Args:
        files: open ones, in canonical order.
        settings: what is read of each event.
        reading: threads and cache.
        monitor: told what was decided, and the cutflow.
        events: events to use after the cuts over all files; -1: all.
        count_labels: keep counts by label; false for regression.
        executor: reads the ranges. Default: as many threads as ``reading`` says.

    Raises:
        MLaaS4HEPError: a branch is missing or damaged, no event passes.
    """
    branches = choose_branches(files, settings)
    for note in branches.notes:
        monitor.note(note)
    for warning in branches.warnings:
        monitor.warn(warning)
    pipeline = Pipeline.of(branches, settings)
    cache = _open_cache(reading, monitor)
    key = ""
    found = None
    if cache is not None:
        try:
            key = scan_key(files, pipeline, events=events, count_labels=count_labels)
            found = _cached(cache, key, monitor)
        except UnknownVersionError as error:
            monitor.alert(f"cache {cache.folder}: not used, since the server tells no version of {error}")
            cache = None
    if found is None:
        executor = executor or Executor(reading.threads)
        found = scan(files, pipeline, events=events, executor=executor, count_labels=count_labels, monitor=monitor)
        if cache is not None:
            cache.store_document(key, scan_to_state(found))
    result = FirstPass(files, branches, pipeline, found, cache, key)
    if pipeline.selects:
        monitor.note(render(result.cutflows))
    return result


def _open_cache(reading: Reading, monitor: Monitor) -> Cache | None:
    """Return the cache that is configured; None if there is none."""
    if reading.cache is None:
        return None
    return Cache(reading.cache, reading.cache_limit, monitor.note, monitor.alert)


def _cached(cache: Cache, key: str, monitor: Monitor) -> Scan | None:
    """Return the first pass of an earlier run over the same files with the same configuration, and say so."""
    try:
        state = cache.document(key)
        found = None if state is None else scan_from_state(state)
    except ValueError as error:
        monitor.alert(f"cache {cache.folder}: {error}; the specs are computed again")
        return None
    if found is None:
        monitor.note(f"cache {cache.folder}: no specs of these files with this configuration; they are computed")
    else:
        monitor.note(f"cache {cache.folder}: specs of the same files and configuration are used again")
    return found
