"""Puts the parts of one process together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlaas4hep.inference.operation.measured import gauge_families, model_families, process_families
from mlaas4hep.inference.rest.app import create_app
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.access.admission import Admission
from mlaas4hep.web.access.rate_limit import RateLimit
from mlaas4hep.web.access.tokens import Authenticator
from mlaas4hep.web.body_budget import BodyBudget
from mlaas4hep.web.http.gate import Gate
from mlaas4hep.web.telemetry.metrics import Family, exposition
from mlaas4hep.web.telemetry.shared_counters import SharedCounters
from mlaas4hep.web.telemetry.state import State

__all__ = ["Parts", "build"]


@dataclass
class Parts:
    """Of one process.

    Attributes:
        server: repository and models.
        app: all of HTTP.
        state: what they share.
        shares: the counters, added up over the processes.
        authenticator: None: everybody may do everything.
        admission: decides who may call, over HTTP and gRPC.
    """

    server: Server
    app: Gate
    state: State
    shares: SharedCounters
    authenticator: Authenticator | None
    admission: Admission


def build(settings: Settings, *, folder: Path | None = None, worker: str = "0") -> Parts:
    """Make the parts; nothing of them is started.

    Args:
        settings: of the server.
        folder: what the processes of a server share; None: there is only this one.
        worker: name of this process.
    """
    state = State(bodies=BodyBudget(settings.limits.bodies))
    server = Server(settings, metrics=state.metrics)

    def families() -> list[Family]:
        return [
            *state.metrics.families(),
            *model_families(server.statistics()),
            *gauge_families(server.gauges(), worker),
            *process_families(server.models(), state.metrics.in_flight, state.connections, state.started, worker),
        ]

    shares = SharedCounters(families, folder, worker)
    authenticator = Authenticator(settings.security) if settings.security.issuers else None
    rate = RateLimit(settings.limits.rate, folder / "rate" if folder else None) if settings.limits.rate else None
    routes = create_app(Resources(server, settings, state, lambda: exposition(shares.all())))
    admission = Admission(settings, authenticator, rate)
    gate = Gate(routes, settings, state, admission)
    return Parts(server, gate, state, shares, authenticator, admission)
