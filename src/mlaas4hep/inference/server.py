"""The inference server without its protocols: a repository on disk, models in memory, and the path between."""

from __future__ import annotations

from mlaas4hep.inference.settings import Settings

__all__ = ["Server"]


class Server:
    """Implements `DataPlane` and `Management` (signatures as there); being written.

    Args:
        settings: everything the server can be told.

    Use: ``server = Server(Settings(repository=path)); await server.start(); ...; await server.stop()``.
    ``await server.loaded()`` waits until every load under way has ended (tests, readiness of the start).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def start(self) -> None:
        """Look at the repository and begin to load models."""

    async def stop(self) -> None:
        """Finish what is in flight, then let go of all models."""

    async def loaded(self) -> None:
        """Wait until no load is under way."""
