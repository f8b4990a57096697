"""What can go wrong while serving; each carries the HTTP status and header fields, and the gRPC code, it becomes."""

from __future__ import annotations

from mlaas4hep.errors import MLaaS4HEPError

__all__ = [
    "BEARER",
    "BadRequestError",
    "ForbiddenError",
    "IssuerUnavailableError",
    "ModelConflictError",
    "ModelFailedError",
    "ModelNotFoundError",
    "ModelRefusedError",
    "ModelTimeoutError",
    "ModelUnavailableError",
    "OverloadedError",
    "ServingError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnauthorisedError",
    "UnsupportedMediaError",
]


BEARER = 'Bearer realm="mlaas4hep"'
"""Challenge to a caller who has to authenticate (RFC 6750)."""


class ServingError(MLaaS4HEPError):
    """Base of all errors that a client of the server sees as ``{"error": "..."}``."""

    status = 500
    grpc = "INTERNAL"

    @property
    def headers(self) -> dict[str, str]:
        """Return header fields of the answer over HTTP."""
        return {"retry-after": "1"} if self.status in (429, 503) else {}


class BadRequestError(ServingError):
    """The request cannot be understood or does not fit the model; says which key, shape or type."""

    status = 400
    grpc = "INVALID_ARGUMENT"


class UnauthorisedError(ServingError):
    """No token, or one that is expired, for another audience, or not signed by a trusted issuer."""

    status = 401
    grpc = "UNAUTHENTICATED"

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge of RFC 6750."""
        text = str(self).replace('"', "'")
        return {"www-authenticate": f'{BEARER}, error="invalid_token", error_description="{text}"'}


class ForbiddenError(ServingError):
    """The token is valid but lacks the scope."""

    status = 403
    grpc = "PERMISSION_DENIED"


class ModelNotFoundError(ServingError):
    """There is no such model or version."""

    status = 404
    grpc = "NOT_FOUND"


class ModelConflictError(ServingError):
    """The model or version exists already, or is being changed by someone else."""

    status = 409
    grpc = "ALREADY_EXISTS"


class TooLargeError(ServingError):
    """The body, archive, number of rows or keys is above the limit."""

    status = 413
    grpc = "RESOURCE_EXHAUSTED"


class UnsupportedMediaError(ServingError):
    """The content type or encoding is not known."""

    status = 415
    grpc = "INVALID_ARGUMENT"


class ModelRefusedError(ServingError):
    """An uploaded model is refused: a pickle, custom code, an unknown format, a failed conversion; says why."""

    status = 422
    grpc = "INVALID_ARGUMENT"


class TooManyRequestsError(ServingError):
    """Above the rate limit, or the queue of the model is full."""

    status = 429
    grpc = "RESOURCE_EXHAUSTED"


class ModelFailedError(ServingError):
    """The model failed on this input, or its worker process died."""

    status = 500
    grpc = "INTERNAL"


class ModelUnavailableError(ServingError):
    """The model is known but not ready: loading, unloaded, or the server stops."""

    status = 503
    grpc = "UNAVAILABLE"


class OverloadedError(ServingError):
    """The server holds as many bytes of other requests as it may; see `limits.bodies`."""

    status = 503
    grpc = "UNAVAILABLE"


class IssuerUnavailableError(ServingError):
    """The issuer of a token cannot be reached and its keys are not known, so nothing can be said about the token."""

    status = 503
    grpc = "UNAVAILABLE"


class ModelTimeoutError(ServingError):
    """The model did not answer in time."""

    status = 504
    grpc = "DEADLINE_EXCEEDED"
