"""Resources of the routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.telemetry.state import State

__all__ = ["Resources", "named"]


@dataclass(frozen=True)
class Resources:
    """What the routes work with.

    Attributes:
        server: runs and describes models, changes the repository.
        settings: limits, base path, repository.
        state: of this process.
        metrics: returns the text of ``GET /metrics``.
    """

    server: Server
    settings: Settings
    state: State = field(default_factory=State)
    metrics: Callable[[], bytes] = bytes


def named(request: Request) -> tuple[str, str]:
    """Return the model and the version in the path of a request, "" where there is none."""
    return request.path_params.get("model", ""), request.path_params.get("version", "")
