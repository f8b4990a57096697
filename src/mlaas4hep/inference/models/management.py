"""Changes to the models: on disk first, whole or not at all; then in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlaas4hep.atomic.files import remove
from mlaas4hep.errors.serving import (
    BadRequestError,
    ModelConflictError,
    ModelNotFoundError,
    ModelUnavailableError,
    TooLargeError,
)
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.models.importing import Importer
from mlaas4hep.inference.models.polling import Polling
from mlaas4hep.inference.models.pool import Pool
from mlaas4hep.inference.models.versions import Model
from mlaas4hep.inference.repository.model_json import ModelSettings
from mlaas4hep.inference.repository.names import LATEST, is_label, model_name, number_of
from mlaas4hep.inference.repository.store import Store
from mlaas4hep.inference.settings import Settings

__all__ = ["Management"]

SETTINGS = ("batching", "canary")


class Management:
    """Changes the models; each change is whole or not at all, also after kill -9. All errors are `ServingError`.

    On disk: ``<root>/<model>/<version>/`` (a bundle folder, or a converted foreign model with its original), written
    beside and renamed; ``<root>/<model>/model.json`` with labels and settings (batching, canary). Names starting with a
    dot are work in progress and removed at the next start.

    Args:
        settings: limits.
        store: the folder.
        pool: the models.
        polling: brings memory in line with the folder.
        importer: makes a version of an upload.
    """

    def __init__(self, settings: Settings, store: Store, pool: Pool, polling: Polling, importer: Importer) -> None:
        self._store = store
        self._pool = pool
        self._polling = polling
        self._importer = importer
        self._upload_limit = settings.limits.upload

    async def upload(self, archive: Path, *, name: str | None = None, version: str | None = None) -> ModelInfo:
        """Add a version from an uploaded file (a bundle tar.gz, or a tar.gz / single file of a foreign model).

        Unpacked safely, recognised, converted in a process of its own, checked, then published. ``version`` default:
        the next number.
        """
        self._check_size([archive])
        number = number_of(version) if version else None
        if name is not None:
            await asyncio.to_thread(self._store.check_room, name, number)
        stage = await asyncio.to_thread(self._store.stage)
        try:
            folder, own_name = await self._importer.from_archive(archive, stage)
            chosen = model_name(name or own_name)
            await asyncio.to_thread(self._store.check_room, chosen, number)
            return await self._publish(folder, chosen, number)
        finally:
            await asyncio.to_thread(remove, stage)

    async def upload_parts(self, name: str, files: Mapping[str, Path], params: Mapping[str, Any]) -> ModelInfo:
        """Add a version from TFaaS's form: files by role (``model``, ``labels``) and the content of params.json."""
        self._check_size(files.values())
        await asyncio.to_thread(self._store.check_room, name)
        stage = await asyncio.to_thread(self._store.stage)
        try:
            folder = await self._importer.from_parts(files, params, stage)
            return await self._publish(folder, name, None)
        finally:
            await asyncio.to_thread(remove, stage)

    async def delete(self, name: str, version: str = "") -> None:
        """Remove a version, or the whole model. Requests in flight finish first."""
        number = self._number(name, version) if version else ""
        await asyncio.to_thread(self._store.delete, name, number)
        await self._polling.poll(name)

    async def load(self, name: str, version: str = "") -> ModelInfo:
        """Bring a version into memory and warm it up; it is ready afterwards."""
        await self._polling.poll(model_name(name))
        number = self._number(name, version) if version else ""
        model = self._model(name)
        if any(model.is_unloaded(slot) for slot in model.slots.values()):
            await self._change(name, lambda now: now.changed(
                {"unloaded": tuple(n for n in now.unloaded if number and n != number)}
            ))  # fmt: skip
        model = self._model(name)
        slot = model.find(number) if number else model.to_load()
        await self._pool.load(model, slot)
        return model.info(slot)

    async def unload(self, name: str, version: str = "") -> None:
        """Take out of memory once nothing is in flight; stays in the repository, not loaded again until asked for."""
        model = self._model(name)
        numbers = [self._number(name, version)] if version else list(model.slots)
        await self._change(
            name, lambda now: now.changed({"unloaded": tuple(sorted({*now.unloaded, *numbers}, key=int))})
        )

    async def label(self, name: str, label: str, version: str | None) -> ModelInfo:
        """Point a label (stable, canary, ...) to a version; None removes it. ``latest`` is always the newest."""
        if not is_label(label) or label == LATEST:
            reason = "always is the newest version" if label == LATEST else "cannot be a label"
            raise BadRequestError(f"{label[:64]!a} {reason}", hint="stable, canary, or a name of your own")
        model = self._model(name)
        if version is None:
            before = model.settings.labels.get(label)
            if before is None:
                raise ModelNotFoundError(f"model {name} has no label {label!r}")
            await self._change(name, lambda now: _labels(now, label, None))
            return model.info(model.shown(before))
        slot = model.find(version)
        if model.is_unloaded(slot):
            raise ModelConflictError(f"version {slot.entry.version} of model {name} has been unloaded",
                                     hint="load it first")  # fmt: skip
        await self._pool.load(model, slot)
        await self._change(name, lambda now: _labels(now, label, slot.entry.version))
        return model.info(slot)

    async def configure(self, name: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change and return settings: ``batching`` {max_size, max_delay_ms} or null, ``canary`` in percent."""
        unknown = [key for key in changes if key not in SETTINGS]
        if unknown:
            raise BadRequestError(
                f"there is no setting {str(unknown[0])[:64]!a}", hint=f"known are {', '.join(SETTINGS)}"
            )
        self._model(name)
        after = await self._change(name, lambda now: now.changed(changes))
        return {key: after.model_dump(mode="json")[key] for key in SETTINGS}

    async def set_default(self, name: str) -> None:
        """Set the model of requests that name none."""
        self._model(name)
        await asyncio.to_thread(self._store.set_default_model, name)
        self._polling.default_model = name

    def files(self, name: str, version: str = "") -> Path:
        """Return the folder of a version, for downloads."""
        return self._model(name).shown(version).entry.folder

    async def _publish(self, folder: Path, name: str, number: int | None) -> ModelInfo:
        await self._importer.check(folder, name)
        version = str(await asyncio.to_thread(self._store.publish, folder, name, number))
        await self._polling.poll(name)
        model = self._model(name)
        slot = model.find(version)
        with suppress(ModelUnavailableError):  # it is published all the same; its state says why it is not loaded
            await self._pool.load(model, slot)
        return model.info(slot)

    async def _change(self, name: str, change: Any) -> ModelSettings:
        after: ModelSettings = await asyncio.to_thread(self._store.change, name, change)
        await self._polling.poll(name)
        return after

    def _model(self, name: str) -> Model:
        return self._pool.model(model_name(name))

    def _number(self, name: str, version: str) -> str:
        return self._model(name).find(version).entry.version

    def _check_size(self, files: Any) -> None:
        size = sum(path.stat().st_size for path in files)
        if size > self._upload_limit:
            raise TooLargeError(f"the upload has {size} bytes, at most {self._upload_limit} are allowed")


def _labels(now: ModelSettings, label: str, version: str | None) -> ModelSettings:
    labels = {key: value for key, value in now.labels.items() if key != label}
    return now.changed({"labels": labels if version is None else {**labels, label: version}})
