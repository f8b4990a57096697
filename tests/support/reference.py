"""What should become of an event, computed event by event in plain Python."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from tests.support.written import Event

__all__ = ["CUTS", "VARIABLES", "part_of", "passing", "variables_of"]

MASK = (1 << 64) - 1

VARIABLES = {"ht": "sum(Jet_pt)", "lead": "Jet_pt[0]", "scaled": "Jet_pt / (1 + abs(Jet_eta))"}
CUTS = ("met > 15", "any(Jet_pt > 30)", "(charge >= 0) | flag")


def variables_of(event: Event) -> dict[str, Any]:
    """The variables `VARIABLES`."""
    pts, etas = event["Jet_pt"], event["Jet_eta"]
    return {
        "ht": math.fsum(pts),
        "lead": pts[0] if pts else math.nan,
        "scaled": [pt / (1 + abs(eta)) for pt, eta in zip(pts, etas, strict=True)],
    }


def passing(event: Event) -> list[bool]:
    """Whether the event passes each of `CUTS`."""
    return [event["met"] > 15, any(pt > 30 for pt in event["Jet_pt"]), event["charge"] >= 0 or event["flag"]]


def part_of(identity: Sequence[int], *, validation: float, test: float, seed: int, file: str | None = None) -> int:
    """0 train, 1 validation, 2 test: SplitMix64 chained over the numbers that identify the event."""
    start = f"{seed}" if file is None else f"{seed}:{file}"
    state = int.from_bytes(hashlib.blake2b(start.encode(), digest_size=8).digest(), "little")
    for number in identity:
        state = (state + 0x9E3779B97F4A7C15 + number) & MASK
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    uniform = (state >> 11) / 2**53
    if uniform < test:
        return 2
    return 1 if uniform < test + validation else 0
