"""Scan of the repository for versions, which are verified once and after every change of their files."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.inference.model_info import Facts
from mlaas4hep.inference.repository.facts import facts_of
from mlaas4hep.inference.repository.folders import Kind, Signature, has_bare, kind_of, numbers, signature
from mlaas4hep.inference.repository.model_json import ModelSettings, read_settings
from mlaas4hep.inference.repository.store import Store
from mlaas4hep.inference.repository.verify import problem_of

__all__ = ["ModelEntry", "Scanner", "VersionEntry"]

SETTLED = 3.0
"""Seconds after which files without checksums count as complete at the first look."""


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """A version on disk.

    Attributes:
        name: the model.
        version: the number as text.
        folder: where it is.
        kind: how it came to be.
        signature: of its files; another one after every change.
        problem: why it cannot be served, "" if it can.
        facts: what it says about itself.
    """

    name: str
    version: str
    folder: Path
    kind: Kind
    signature: Signature
    problem: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model on disk: its versions by number, and its settings."""

    name: str
    versions: dict[str, VersionEntry]
    settings: ModelSettings = field(default_factory=ModelSettings)


@dataclass(slots=True)
class _Seen:
    signature: Signature
    entry: VersionEntry | None


class Scanner:
    """Remembers what it verified. To be used by one thread at a time; blocks.

    What is still being copied is not reported: a bundle or an uploaded model must have its checksums right, and a plain
    ONNX file, or anything damaged, must have stayed the same between two looks.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._settings: dict[str, ModelSettings] = {}

    def all(self) -> dict[str, ModelEntry]:
        """Return all models that have a version."""
        found = {}
        for name in self._store.names():
            entry = self.one(name)
            if entry is not None:
                found[name] = entry
        for gone in self._settings.keys() - found.keys():
            self._forget(gone)
        return found

    def one(self, name: str) -> ModelEntry | None:
        """Return one model, None if it has no version."""
        model = self._store.root / name
        folders = [(str(number), model / str(number)) for number in numbers(model)]
        if not folders and has_bare(model):
            folders = [("1", model)]
        versions = {}
        for version, folder in folders:
            entry = self._version(name, version, folder, bare=folder is model)
            if entry is not None:
                versions[version] = entry
        for key in [key for key in self._seen if key[0] == name and key[1] not in {version for version, _ in folders}]:
            del self._seen[key]
        if not versions:
            return None
        try:
            self._settings[name] = read_settings(model)
        except (OSError, ValueError):  # damaged by hand: the last good ones stay
            self._settings.setdefault(name, ModelSettings())
        return ModelEntry(name, versions, self._settings[name])

    def _version(self, name: str, version: str, folder: Path, *, bare: bool) -> VersionEntry | None:
        key = (name, version)
        seen = self._seen.get(key)
        try:
            now = signature(folder, bare=bare)
        except OSError:
            return seen.entry if seen else None
        if seen and seen.entry and seen.entry.signature == now and seen.entry.folder == folder:
            return seen.entry
        kind = kind_of(folder)
        settled = (seen is not None and seen.signature == now) or _age(now) > SETTLED
        if kind in {"onnx", "unknown"} and not settled:
            return self._pending(key, now)
        problem, facts = problem_of(folder, kind), Facts()
        if not problem:
            try:
                facts = facts_of(folder, kind)
            except (MLaaS4HEPError, OSError, ValueError, TypeError, KeyError) as error:
                problem = f"its description is damaged ({error})"
        if problem and not settled:
            return self._pending(key, now)
        entry = VersionEntry(name, version, folder, kind, now, problem, facts)
        self._seen[key] = _Seen(now, entry)
        return entry

    def _pending(self, key: tuple[str, str], now: Signature) -> VersionEntry | None:
        """Return what was there before, which goes on until the new files are complete."""
        before = self._seen.get(key)
        entry = before.entry if before else None
        self._seen[key] = _Seen(now, entry)
        return entry

    def _forget(self, name: str) -> None:
        self._settings.pop(name, None)
        for key in [key for key in self._seen if key[0] == name]:
            del self._seen[key]


def _age(files: Signature) -> float:
    """Return the seconds since the last change of any file; 0 for no files."""
    newest = max((max(mtime, ctime) for _, mtime, ctime, _, _ in files), default=time.time_ns())
    return (time.time_ns() - newest) / 1e9
