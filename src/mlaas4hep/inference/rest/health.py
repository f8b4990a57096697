"""Liveness, readiness and metrics of the server, for those who operate it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.inference.rest.openapi import TEXT, V2, operation, ref
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.responses import json_response
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["calls"]

TAG = "Operation"
NOW = {"cache-control": "no-store"}
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls for liveness, readiness and metrics."""
    health = _Health(resources)
    live, ready = ref("V2Live"), ref("V2Ready")
    lives, takes = "Show whether the process is alive", "Show whether the server takes requests"
    stops = operation(TAG, f"{takes}; it does not while it stops", answer=ready)
    counted = operation(TAG, "Show the Prometheus metrics of all processes", answer=TEXT)
    metrics = Right.OPEN if resources.settings.security.open_metrics else Right.READ
    return [
        Call("GET", "/v2/health/live", Right.OPEN, health.live, operation(V2, lives, answer=live)),
        Call("GET", "/v2/health/ready", Right.OPEN, health.ready, operation(V2, takes, answer=ready)),
        Call("GET", "/health/live", Right.OPEN, health.live, operation(TAG, lives, answer=live)),
        Call("GET", "/health/ready", Right.OPEN, health.ready, stops),
        Call("GET", "/metrics", metrics, health.metrics, counted),
    ]


class _Health:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def live(self, _: Request) -> Response:
        return json_response({"live": True}, headers=NOW)

    async def ready(self, _: Request) -> Response:
        """Answer 200 or 503; a model that still loads does not make the server unready."""
        ready = self._resources.state.ready
        return json_response({"ready": ready}, 200 if ready else 503, NOW)

    async def metrics(self, _: Request) -> Response:
        """Answer in the text format of Prometheus."""
        return Response(self._resources.metrics(), headers={**NOW, "content-type": EXPOSITION})
