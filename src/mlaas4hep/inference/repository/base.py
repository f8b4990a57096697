"""Keeping models: what the management routes, the clients and the data plane need of a repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from mlaas4hep.inference.dataplane import ModelInfo

__all__ = ["Management"]


class Management(Protocol):
    """Changes to the models, each whole or not at all, survives kill -9 at any moment. All errors are `ServingError`.

    On disk: ``<root>/<model>/<version>/`` (a bundle folder, or a converted foreign model with its original), written
    beside and renamed; ``<root>/<model>/model.json`` with labels and settings (batching, canary). Names starting with a
    dot are work in progress and removed at the next start.
    """

    async def upload(self, archive: Path, *, name: str | None = None, version: str | None = None) -> ModelInfo:
        """Add a version from an uploaded file (a bundle tar.gz, or a tar.gz / single file of a foreign model).

        Unpacked safely, recognised, converted in a process of its own, checked, then published. ``version`` default:
        the next number.
        """
        ...

    async def upload_parts(self, name: str, files: Mapping[str, Path], params: Mapping[str, Any]) -> ModelInfo:
        """TFaaS's form: files by role (``model``, ``labels``) and the content of params.json."""
        ...

    async def delete(self, name: str, version: str = "") -> None:
        """Remove a version, or the whole model. Requests in flight finish first."""
        ...

    async def load(self, name: str, version: str = "") -> ModelInfo:
        """Bring into memory, warm up; ready afterwards."""
        ...

    async def unload(self, name: str, version: str = "") -> None:
        """Take out of memory once nothing is in flight; stays in the repository, not loaded again until asked for."""
        ...

    async def label(self, name: str, label: str, version: str | None) -> ModelInfo:
        """Point a label (stable, canary, ...) to a version; None removes it. ``latest`` follows by itself."""
        ...

    async def configure(self, name: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change settings of a model: ``batching`` {max_size, max_delay_ms} or null, ``canary`` share in percent."""
        ...

    async def set_default(self, name: str) -> None:
        """Model of requests that name none."""
        ...

    def files(self, name: str, version: str = "") -> Path:
        """Folder of a version, for downloads."""
        ...
