"""What those who run the server ask: whether it lives, whether it takes requests, what it counted."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.inference.rest.openapi import TEXT, V2, operation, ref
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls"]

_TAG = "Operation"
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls for liveness, readiness and metrics."""
    health = _Health(resources)
    live, ready = ref("V2Live"), ref("V2Ready")
    lives, takes = "The process lives", "The server takes requests"
    stops = operation(_TAG, f"{takes}; no while it stops", answer=ready)
    counted = operation(_TAG, "Prometheus metrics of all processes", answer=TEXT)
    metrics = Right.OPEN if resources.settings.security.open_metrics else Right.READ
    return [
        Call("GET", "/v2/health/live", Right.OPEN, health.live, operation(V2, lives, answer=live)),
        Call("GET", "/v2/health/ready", Right.OPEN, health.ready, operation(V2, takes, answer=ready)),
        Call("GET", "/health/live", Right.OPEN, health.live, operation(_TAG, lives, answer=live)),
        Call("GET", "/health/ready", Right.OPEN, health.ready, stops),
        Call("GET", "/metrics", metrics, health.metrics, counted),
    ]


class _Health:
    def __init__(self, resources: Resources) -> None:
        self._state = resources.state
        self._metrics = resources.metrics

    async def live(self, _: Request) -> Response:
        """The process answers."""
        return _answer(orjson.dumps({"live": True}))

    async def ready(self, _: Request) -> Response:
        """The server takes requests; a model that still loads does not make it unready."""
        ready = self._state.ready
        return _answer(orjson.dumps({"ready": ready}), status=200 if ready else 503)

    async def metrics(self, _: Request) -> Response:
        """The metrics of all processes, in the text format of Prometheus."""
        return _answer(self._metrics(), _EXPOSITION)


def _answer(body: bytes, kind: str = "application/json", status: int = 200) -> Response:
    return Response(body, status, {"content-type": kind, "cache-control": "no-store"})
