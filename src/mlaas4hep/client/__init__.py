"""Python clients of the servers."""

from __future__ import annotations

from mlaas4hep.client.calls import ServerError
from mlaas4hep.client.models import AsyncModelClient, ModelClient

__all__ = ["AsyncModelClient", "ModelClient", "ServerError"]
