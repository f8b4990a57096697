"""The inference server without its protocols: the repository on disk, the models in memory, the data plane."""

from __future__ import annotations

import logging
from functools import partial

from mlaas4hep.inference.conversion.upload import convert_upload
from mlaas4hep.inference.execution.opening import open_runtime as open_model
from mlaas4hep.inference.models.importing import Convert, Importer
from mlaas4hep.inference.models.loading import OpenRuntime
from mlaas4hep.inference.models.management import Management
from mlaas4hep.inference.models.plane import DataPlane
from mlaas4hep.inference.models.polling import Polling
from mlaas4hep.inference.models.pool import Pool
from mlaas4hep.inference.repository.store import Store
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.telemetry.metrics import Metrics

__all__ = ["Server"]

LOG = logging.getLogger("mlaas4hep.inference")


class Server(DataPlane, Management):
    """Predictions, and changes to the models. To be used in one event loop.

    Args:
        settings: everything the server can be told.
        open_runtime: opens the model in a folder; default `mlaas4hep.inference.execution.opening.open_runtime`.
        convert: converts uploads; default `mlaas4hep.inference.conversion.upload.convert_upload`.
        metrics: counts predictions.

    Example:
        >>> server = Server(Settings(repository=Path("models")))
        >>> await server.start()
        >>> scored = await server.score_row("higgs", ["MET_pt", "Jet_pt"], [41.0, [80.0, 35.5]])
        >>> await server.stop()
    """

    def __init__(
        self,
        settings: Settings,
        *,
        open_runtime: OpenRuntime = open_model,
        convert: Convert | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        converts = convert or partial(convert_upload, unsandboxed=settings.security.unsandboxed_conversion)
        self.settings = settings
        store = Store(settings.repository, models=settings.limits.models)
        pool = Pool(settings, open_runtime)
        polling = Polling(store, pool, settings.poll)
        DataPlane.__init__(self, settings, pool, polling, metrics or Metrics())
        Management.__init__(self, settings, store, pool, polling, Importer(settings, converts, open_runtime))

    async def start(self) -> None:
        """Look at the repository and begin to load models; requests for them wait until they are ready.

        Raises:
            ServingError: the repository cannot be used.
        """
        await self._polling.start()

    async def loaded(self) -> None:
        """Wait until no load is under way."""
        await self._pool.settled()

    async def look(self) -> None:
        """Look at the repository now, not only at the next poll."""
        await self._polling.poll_all()

    async def stop(self) -> None:
        """Wait for requests in flight, `settings.drain` seconds at most, then let go of all models.

        Requests are answered until then, so the caller stops listening before.
        """
        await self._polling.stop()
        if not await self._pool.quiet(self.settings.drain):
            LOG.warning("requests were still in flight after %g s", self.settings.drain)
        await self._pool.close()
