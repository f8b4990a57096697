"""What the connections of one process share."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlaas4hep.web.http.fast_path import FastPath
from mlaas4hep.web.http.gathered_writes import GatheredWrites
from mlaas4hep.web.telemetry.state import State

__all__ = ["Shared"]


@dataclass
class Shared:
    """Of one process.

    Attributes:
        limit: open connections at a time.
        state: counts connections and refused requests.
        fast_path: answers small predictions; None: all requests go the slow path.
        draining: the server stops, and the next request of each connection is its last.
        writes: takes the replies of the fast path.
    """

    limit: int
    state: State
    fast_path: FastPath | None = None
    draining: bool = False
    writes: GatheredWrites = field(default_factory=GatheredWrites)
