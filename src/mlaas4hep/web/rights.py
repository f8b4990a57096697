"""What a caller must be allowed to do; which call needs which right stands in the tables of routes."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Right"]


class Right(StrEnum):
    """What a caller must be allowed to do."""

    OPEN = "open"
    READ = "read"
    PREDICT = "predict"
    MANAGE = "manage"
