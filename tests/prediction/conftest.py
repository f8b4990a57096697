"""The small training, and figures computed independently of the package."""

from __future__ import annotations

from tests.training.conftest import reference, small

__all__ = ["reference", "small"]
