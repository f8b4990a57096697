"""State of each model and version in this process, and the choice of the version that answers a request."""

from __future__ import annotations

import asyncio
from typing import Literal, TypeAlias

from mlaas4hep.errors.serving import ModelNotFoundError, ModelUnavailableError, ServingError
from mlaas4hep.inference.execution.statistics import VersionStatistics
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.models.loaded import LoadedVersion
from mlaas4hep.inference.repository.model_json import ModelSettings
from mlaas4hep.inference.repository.names import LATEST, is_version
from mlaas4hep.inference.repository.scan import VersionEntry

__all__ = ["Model", "Slot", "State"]

State: TypeAlias = Literal["READY", "LOADING", "UNLOADED", "FAILED"]
STABLE, CANARY = "stable", "canary"


class Slot:
    """State of one version.

    Attributes:
        entry: as found on disk.
        loaded: in memory, None if it is not.
        task: the load under way; the load of changed files goes on while the old ones are served.
        failure: why the last load failed, "" if it did not.
        fresh: new or changed, and not yet considered for loading.
        proven: was in memory with these files, or is to be loaded when it is asked for.
        gone: no longer in the repository.
    """

    def __init__(self, entry: VersionEntry) -> None:
        self.entry = entry
        self.loaded: LoadedVersion | None = None
        self.task: asyncio.Task[None] | None = None
        self.failure = entry.problem
        self.fresh = True
        self.proven = False
        self.gone = False
        self.statistics = VersionStatistics()

    @property
    def state(self) -> State:
        """Return the state of this version in this process."""
        if self.loaded is not None:
            return "READY"
        if self.task is not None:
            return "LOADING"
        return "FAILED" if self.failure else "UNLOADED"

    def replace(self, entry: VersionEntry) -> None:
        """Take note of changed files."""
        self.entry = entry
        self.failure = entry.problem
        self.fresh = True
        self.proven = False


class Model:
    """All versions of a model, and the choice among them.

    Attributes:
        default: answers requests without a version; None if it first has to be looked for or loaded.
        canary: answers a share of them.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.settings = ModelSettings()
        self.slots: dict[str, Slot] = {}
        self.default: LoadedVersion | None = None
        self.canary: LoadedVersion | None = None
        self._credit = 0.0

    def refresh(self) -> None:
        """Choose anew, after anything changed."""
        try:
            self.default = self.choose().loaded
        except ServingError:
            self.default = None
        slot = self.slots.get(self.settings.labels.get(CANARY, ""))
        self.canary = slot.loaded if slot is not None and self.settings.canary > 0 else None

    def pick(self, version: str) -> LoadedVersion | None:
        """Return the version in memory that answers a request; None if there is none."""
        if not version:
            if self.canary is not None and self.default is not None:
                self._credit += self.settings.canary
                if self._credit >= 100.0:
                    self._credit -= 100.0
                    return self.canary
            return self.default
        slot = self.slots.get(version)
        if slot is None:
            if version == LATEST:
                return self._newest().loaded if self.slots else None
            slot = self.slots.get(self.settings.labels.get(version, ""))
        return None if slot is None else slot.loaded

    def replaced_by(self, slot: Slot) -> LoadedVersion | None:
        """Return the version in memory that goes when another one has been loaded, because that one answers instead."""
        default = self.default
        if default is None or default.entry.version in self.settings.labels.values() or slot.loaded is not None:
            return None
        stable = self.slots.get(self.settings.labels.get(STABLE, ""))
        takes_over = slot is stable if stable else int(slot.entry.version) > int(default.entry.version)
        return default if takes_over else None

    def find(self, version: str) -> Slot:
        """Return the version a number, a label or "" stands for.

        Raises:
            ModelNotFoundError: there is none.
            ModelUnavailableError: "" and all versions have been unloaded or are damaged.
        """
        if not version:
            return self.choose()
        if version == LATEST and self.slots:
            return self._newest()
        slot = self.slots.get(self.settings.labels.get(version, version))
        if slot is None:
            what = "version" if is_version(version) else "version or label"
            raise ModelNotFoundError(f"model {self.name} has no {what} {version[:64]!r}", hint=self._has())
        return slot

    def choose(self) -> Slot:
        """Return the version for requests that name none: `stable` if there is one, else the highest that can serve.

        While a new version is loaded for the first time, the one before goes on.
        """
        stable = self.slots.get(self.settings.labels.get(STABLE, ""))
        if stable is not None:
            return stable
        newest = self._descending()
        possible = [s for s in newest if (not s.failure or s.loaded is not None) and not self.is_unloaded(s)]
        for slot in possible:
            if slot.loaded is not None or slot.proven:
                return slot
        if possible:
            return possible[0]
        if not newest:
            raise ModelNotFoundError(f"there is no model {self.name}")
        first = newest[0]
        raise ModelUnavailableError(
            f"no version of model {self.name} is ready: {first.failure or 'it has been unloaded'}"
        )

    def shown(self, version: str) -> Slot:
        """Return what `find` does, for descriptions: "" is never refused because nothing is ready.

        Raises:
            ModelNotFoundError: there is no such version.
        """
        try:
            return self.find(version)
        except ModelUnavailableError:
            return self._newest()

    def to_load(self) -> Slot:
        """Return the version that a request to load the model means: the one that answers, else the newest."""
        wanted = self.wanted()
        return self.shown("") if not wanted or STABLE in self.settings.labels else wanted[0]

    def is_unloaded(self, slot: Slot) -> bool:
        """Return true if the version was unloaded on purpose."""
        return slot.entry.version in self.settings.unloaded

    def wanted(self) -> list[Slot]:
        """Return the versions to be in memory without having been asked for: those with labels, and the newest."""
        names = dict.fromkeys([*self.settings.labels.values()])
        slots = [self.slots[name] for name in names if name in self.slots]
        possible = [slot for slot in self._descending() if not slot.failure and not self.is_unloaded(slot)]
        return [
            slot for slot in dict.fromkeys([*possible[:1], *slots]) if not slot.failure and not self.is_unloaded(slot)
        ]

    def info(self, slot: Slot) -> ModelInfo:
        """Return what clients may know of a version."""
        entry, loaded = slot.entry, slot.loaded
        labels = [label for label, number in self.settings.labels.items() if number == entry.version]
        if slot is self._newest():
            labels.insert(0, LATEST)
        facts = loaded.facts if loaded is not None else entry.facts
        state = slot.state
        reason = slot.failure if state == "FAILED" else ""
        if state == "UNLOADED":
            reason = "unloaded" if self.is_unloaded(slot) else "not in memory, loaded when it is asked for"
        return ModelInfo(
            **vars(facts),
            name=self.name,
            version=entry.version,
            state=state,
            reason=reason,
            labels=tuple(labels),
            on_demand=state == "UNLOADED" and not self.is_unloaded(slot),
        )

    def ordered(self) -> list[Slot]:
        """Return all versions, the lowest number first."""
        return self._descending()[::-1]

    def _descending(self) -> list[Slot]:
        return sorted(self.slots.values(), key=lambda slot: -int(slot.entry.version))

    def _newest(self) -> Slot:
        return max(self.slots.values(), key=lambda slot: int(slot.entry.version))

    def _has(self) -> str | None:
        known = [*self.settings.labels, *(slot.entry.version for slot in self.ordered())]
        return f"it has {', '.join(known[:10])}" if known else None
