"""Why a file cannot be read: one class a reason, each with what to do; the same for all kinds of storage."""

from __future__ import annotations

from typing import ClassVar

from mlaas4hep.errors import FileReadError

__all__ = [
    "AuthenticationError",
    "CorruptFileError",
    "FolderError",
    "MissingFileError",
    "NoRangeRequestsError",
    "PermissionDeniedError",
    "TimedOutError",
    "UnreachableError",
]


class _KnownError(FileReadError):
    """Base of the classes below.

    Args:
        what: see `MLaaS4HEPError`. Default: the usual words of the class.
        where: see `MLaaS4HEPError`.
        hint: see `MLaaS4HEPError`. Default: the usual advice of the class.
    """

    usual: ClassVar[str]
    advice: ClassVar[str]

    def __init__(self, what: str = "", *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what or self.usual, where=where, hint=self.advice if hint is None else hint)


class MissingFileError(_KnownError):
    """There is no such file."""

    kind = "not found"
    usual = "no such file"
    advice = "check the path"


class PermissionDeniedError(_KnownError):
    """The file is there, or may be, and the user may not read it."""

    kind = "permission denied"
    usual = "permission denied"
    advice = "check the rights of the file and its folder"


class AuthenticationError(_KnownError):
    """Client and server do not trust each other: a token, a proxy, keys or a certificate are missing or not valid."""

    kind = "authentication"
    usual = "the server refused your identity"
    advice = "renew your token or proxy certificate"


class UnreachableError(_KnownError):
    """No connection can be made, or it breaks."""

    kind = "unreachable"
    may_heal = True
    usual = "the server cannot be reached"
    advice = "check host and port, and whether the server is up"


class TimedOutError(_KnownError):
    """A server does not answer in time."""

    kind = "timed out"
    may_heal = True
    usual = "the server does not answer in time"
    advice = "try again later or use another redirector"


class CorruptFileError(_KnownError):
    """The file is truncated, damaged, or not of its format."""

    kind = "corrupt"
    usual = "is damaged"
    advice = "copy the file again"


class NoRangeRequestsError(_KnownError):
    """The server sends whole files only."""

    kind = "no range requests"
    usual = "the server ignores requests for parts of a file"
    advice = "download the file"


class FolderError(_KnownError):
    """It is a folder, not a file."""

    kind = "folder"
    usual = "is a folder, not a file"
    advice = "name the files in it"
