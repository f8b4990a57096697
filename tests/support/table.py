"""The route table of the inference server, to be read or called without a gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlaas4hep.inference.rest.app import create_app
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.routes import Routes

__all__ = ["table"]


def table(folder: Path = Path("nowhere"), **settings: Any) -> Routes:
    """The table over a server without models."""
    made = Settings(repository=folder, **settings)
    return create_app(Resources(Server(made), made))
