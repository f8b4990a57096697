"""Python clients of the servers."""

from __future__ import annotations

from mlaas4hep.client.asynchronous import AsyncModelClient
from mlaas4hep.client.calls import ServerError
from mlaas4hep.client.models import ModelClient

__all__ = ["AsyncModelClient", "ModelClient", "ServerError"]
