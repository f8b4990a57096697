"""The route table of the inference server, to be read or called without a gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlaas4hep.inference.rest.app import create_app
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.routes import Routes
from tests.support.local_plane import LocalPlane

__all__ = ["table"]


def table(folder: Path = Path("nowhere"), **settings: Any) -> Routes:
    """The table over a plane without models."""
    plane = LocalPlane(folder)
    return create_app(Resources(plane, plane, Settings(repository=folder, **settings)))
