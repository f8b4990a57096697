"""Which right a gRPC call needs."""

from __future__ import annotations

from mlaas4hep.inference.grpc.service import METHODS, SERVICE
from mlaas4hep.web.rights import Right

__all__ = ["right_of"]

_RIGHTS = {
    **{f"/{SERVICE}/{method.name}": method.right for method in METHODS},
    "/grpc.health.v1.Health/Check": Right.OPEN,
    "/grpc.health.v1.Health/List": Right.OPEN,
    "/grpc.health.v1.Health/Watch": Right.OPEN,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Right.READ,
}


def right_of(method: str) -> Right:
    """Return the right that a call (``/service/Method``) needs; one that is not known needs that to manage."""
    return _RIGHTS.get(method, Right.MANAGE)
