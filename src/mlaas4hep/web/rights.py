"""Which right a call needs: by method and path over HTTP, by method over gRPC."""

from __future__ import annotations

import functools
import re
from enum import StrEnum

__all__ = ["Right", "right_of_grpc", "right_of_http"]


class Right(StrEnum):
    """What a caller must be allowed to do."""

    OPEN = "open"
    READ = "read"
    PREDICT = "predict"
    MANAGE = "manage"


_OPEN = frozenset({"/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"})
_PREDICT = frozenset(
    {"/json", "/proto", "/image", "/predict", "/predict/json", "/predict/proto", "/predict/image", "/predict/root"}
)
_INFER = re.compile(r"/v2/models/[^/]+(?:/versions/[^/]+)?/infer")
_READ_BY_POST = frozenset({"/v2/repository/index"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

_SERVICE = "/inference.GRPCInferenceService/"
_GRPC = {
    f"{_SERVICE}ServerLive": Right.OPEN,
    f"{_SERVICE}ServerReady": Right.OPEN,
    "/grpc.health.v1.Health/Check": Right.OPEN,
    "/grpc.health.v1.Health/List": Right.OPEN,
    "/grpc.health.v1.Health/Watch": Right.OPEN,
    f"{_SERVICE}ModelInfer": Right.PREDICT,
    f"{_SERVICE}ModelStreamInfer": Right.PREDICT,
    f"{_SERVICE}ServerMetadata": Right.READ,
    f"{_SERVICE}ModelReady": Right.READ,
    f"{_SERVICE}ModelMetadata": Right.READ,
    f"{_SERVICE}ModelConfig": Right.READ,
    f"{_SERVICE}ModelStatistics": Right.READ,
    f"{_SERVICE}RepositoryIndex": Right.READ,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Right.READ,
}


@functools.lru_cache(maxsize=256)
def right_of_http(method: str, path: str) -> Right:
    """The right that a request needs; what is not known changes something.

    Args:
        method: in capitals.
        path: without the base path.
    """
    if method == "POST" and (path in _PREDICT or (path.endswith("/infer") and _INFER.fullmatch(path))):
        return Right.PREDICT
    if method in _READING:
        return Right.OPEN if path in _OPEN else Right.READ
    if method == "POST" and path in _READ_BY_POST:
        return Right.READ
    return Right.MANAGE


def right_of_grpc(method: str) -> Right:
    """The right that a call (``/service/Method``) needs; what is not known changes something."""
    return _GRPC.get(method, Right.MANAGE)
