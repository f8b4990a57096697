"""What the parts of a running process share."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from dataclasses import dataclass, field

from mlaas4hep.web.body_budget import BodyBudget
from mlaas4hep.web.telemetry.metrics import Metrics

__all__ = ["State"]

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


@dataclass
class State:
    """Of one process.

    Attributes:
        ready: it takes requests: started, and not about to stop.
        metrics: counters of the hot paths.
        bodies: bytes of requests in memory.
        connections: open HTTP connections.
        started: seconds since 1970.
    """

    ready: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    bodies: BodyBudget = field(default_factory=BodyBudget)
    connections: int = 0
    started: float = field(default_factory=time.time)
    _prefix: str = field(default_factory=lambda: secrets.token_hex(6))
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def request_id(self, given: bytes | None = None) -> str:
        """Return the client's own id if it is a plain word of at most 128 characters, else a new one."""
        if given is not None and _ID.fullmatch(given):
            return given.decode()
        return f"{self._prefix}-{next(self._numbers):x}"
