"""Reconciles the models in memory with what was found on disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mlaas4hep.inference.models.pool import Pool
from mlaas4hep.inference.models.versions import Model, Slot
from mlaas4hep.inference.repository.model_json import ModelSettings
from mlaas4hep.inference.repository.scan import ModelEntry, VersionEntry

__all__ = ["reconcile", "reconcile_all"]

LOG = logging.getLogger("mlaas4hep.inference")


def reconcile_all(pool: Pool, found: Mapping[str, ModelEntry]) -> None:
    """Take over all models as they are on disk; loads that become necessary are begun."""
    for name in pool.models.keys() - found.keys():
        reconcile(pool, name, None)
    for name, entry in found.items():
        reconcile(pool, name, entry)


def reconcile(pool: Pool, name: str, entry: ModelEntry | None) -> None:
    """Take over one model; None: it has gone."""
    model = pool.models.get(name)
    if entry is None:
        if model is not None:
            del pool.models[name]
            _drop(pool, model, list(model.slots))
        return
    if model is None:
        model = pool.models[name] = Model(name)
    _drop(pool, model, list(model.slots.keys() - entry.versions.keys()))
    for version, there in entry.versions.items():
        slot = model.slots.get(version)
        if slot is None:
            model.slots[version] = Slot(there)
            _warn(there, "")
        elif slot.entry is not there and slot.entry != there:
            _warn(there, slot.entry.problem)
            slot.replace(there)
    if model.settings != entry.settings:
        _settings(pool, model, entry.settings)
    model.refresh()
    _load_what_is_wanted(pool, model)


def _warn(entry: VersionEntry, before: str) -> None:
    if entry.problem and entry.problem != before:
        LOG.warning("version %s of model %s cannot be served: %s", entry.version, entry.name, entry.problem)


def _drop(pool: Pool, model: Model, versions: list[str]) -> None:
    for version in versions:
        slot = model.slots.pop(version)
        slot.gone = True
        pool.take_out(model, slot)
    model.refresh()


def _settings(pool: Pool, model: Model, settings: ModelSettings) -> None:
    batching = model.settings.batching != settings.batching
    model.settings = settings
    for slot in model.slots.values():
        if model.is_unloaded(slot):
            pool.take_out(model, slot)
        elif slot.loaded is not None:
            if batching:
                slot.loaded.execution.batch(settings.batching)
        elif not slot.proven:
            slot.fresh = True


def _load_what_is_wanted(pool: Pool, model: Model) -> None:
    """Begin to load new and changed versions, as far as there is room; what is replaced makes room itself."""
    wanted = model.wanted()
    for slot in wanted:
        if slot.fresh and slot.loaded is None and slot.task is None:
            replaces = any(other.loaded is not None for other in model.slots.values())
            if pool.has_room or replaces:
                pool.begin(model, slot)
            else:
                slot.proven = True  # loaded when it is asked for
    for slot in model.slots.values():
        if slot.fresh and slot.loaded is not None and slot.loaded.entry != slot.entry and not slot.entry.problem:
            pool.begin(model, slot)
        slot.fresh = False
    model.refresh()
