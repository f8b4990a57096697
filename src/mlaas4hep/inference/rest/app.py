"""All HTTP calls in one table."""

from __future__ import annotations

from mlaas4hep.inference.rest import downloads, health, management
from mlaas4hep.inference.rest.pages import home, netron
from mlaas4hep.inference.rest.predict import images, json, proto, root_files
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.tfaas import routes as tfaas
from mlaas4hep.inference.rest.v2 import infer
from mlaas4hep.inference.rest.v2 import routes as v2
from mlaas4hep.web.routes import Routes

__all__ = ["MODULES", "create_app"]

MODULES = (json, proto, images, root_files, tfaas, downloads, management, v2, infer, health, netron)
"""Each has a function `calls` that returns its part of the table; a further one is a module and a line here."""


def create_app(resources: Resources) -> Routes:
    """Return the HTTP side of the server."""
    calls = [call for module in MODULES for call in module.calls(resources)]
    return Routes([*calls, *home.calls(resources, calls)], resources.settings.base_path)
