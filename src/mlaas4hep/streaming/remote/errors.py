"""The one table of failures of storage: what a client says becomes one of the classes of `mlaas4hep.errors.reading`.

A number decides where the client gives one: XRootD's status code and error number, HTTP's status code, the system's
errno, a code of S3. Words decide only where a library passes on nothing else.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final

from mlaas4hep.errors import FileReadError
from mlaas4hep.errors.reading import (
    AuthenticationError,
    CorruptFileError,
    FolderError,
    MissingFileError,
    NoRangeRequestsError,
    PermissionDeniedError,
    TimedOutError,
    UnreachableError,
)
from mlaas4hep.errors.text import first_line

__all__ = ["XRootDError", "read_error"]


class XRootDError(OSError):
    """What XRootD's client says of a request.

    Attributes:
        code: of the client, as in XrdClStatus.hh.
        number: of the server, as in XProtocol.hh, or the system's errno; 0: none.
    """

    def __init__(self, status: Any) -> None:
        super().__init__(str(status.message).strip())
        self.code, self.number = int(status.code), int(status.errno)


@dataclass(frozen=True)
class _Case:
    """A class of failures; words and advice where they differ from the usual ones of the class."""

    kind: type[FileReadError]
    what: str = ""
    hint: str | None = None
    heals: bool = True

    def error(self, path: str) -> FileReadError:
        found = self.kind(self.what, where=path, hint=self.hint)
        if not self.heals:
            found.may_heal = False
        return found


_MISSING = _Case(MissingFileError)
_DENIED = _Case(PermissionDeniedError, hint="check your token or proxy certificate, and whether it may read the file")
_STRANGER = _Case(AuthenticationError)
_TLS = _Case(
    AuthenticationError,
    "no secure connection could be made",
    "check X509_CERT_DIR (root) or SSL_CERT_FILE (https) and the server's certificate",
)
_AWAY = _Case(UnreachableError)
_BUSY = _Case(UnreachableError, "the server is overloaded or out of order", "try again later or use another redirector")
_UNKNOWN = _Case(UnreachableError, "the host is unknown", "check the name of the host", heals=False)
_LOOP = _Case(UnreachableError, "the server redirects in a circle or to nowhere", "use another redirector", heals=False)
_SLOW = _Case(TimedOutError)
_DAMAGED = _Case(CorruptFileError)
_FOLDER = _Case(FolderError)
_WHOLE = _Case(NoRangeRequestsError)

_XROOTD_SERVER: Final = {
    3005: _Case(CorruptFileError, "the server cannot read the file"),  # FSError
    3007: _Case(CorruptFileError, "the server cannot read the file"),  # IOError
    3008: _BUSY,  # NoMemory
    3010: _DENIED,
    3011: _Case(MissingFileError, hint="check the path; it follows the host after a double slash"),
    3012: _BUSY,  # ServerError
    3014: _BUSY,  # noserver
    3015: _FOLDER,  # NotFile
    3016: _FOLDER,
    3019: _DAMAGED,  # ChkSumErr
    3024: _BUSY,  # Overloaded
    3028: _TLS,  # TLSRequired
    3029: _Case(MissingFileError, "no server holds the file"),  # noReplicas
    3030: _STRANGER,
    3034: _SLOW,  # ReqTimedOut
    3035: _SLOW,  # TimerExpired
}
"""By error number of the server (XProtocol.hh)."""

_XROOTD_CLIENT: Final = {
    101: _UNKNOWN,
    102: _AWAY,
    103: _SLOW,
    104: _AWAY,
    107: _AWAY,
    108: _AWAY,
    109: _AWAY,
    110: _TLS,
    201: _AWAY,  # InvalidMessage
    202: _AWAY,
    203: _STRANGER,
    204: _STRANGER,
    206: _SLOW,
    302: _LOOP,
    303: _AWAY,  # InvalidResponse
    304: _MISSING,
    305: _DAMAGED,
    306: _LOOP,
}
"""By status code of the client (XrdClStatus.hh)."""

_HTTP: Final = {
    400: _Case(FileReadError, "the server does not understand the request"),
    401: _STRANGER,
    403: _DENIED,
    404: _MISSING,
    407: _STRANGER,
    408: _SLOW,
    410: _MISSING,
    416: _Case(CorruptFileError, "is shorter than it should be: truncated"),
    425: _BUSY,
    429: _BUSY,
    500: _BUSY,
    502: _BUSY,
    503: _BUSY,
    504: _SLOW,
}
"""By status code of an answer (RFC 9110)."""

_SCHEME: Final = _Case(
    FileReadError,
    "the scheme of the URL is unknown",
    "check its spelling: root, https, davs, s3, webhdfs, hdfs",
)

_HTTP_STATUS = re.compile(r"(?:response was|responded with status) (\d{3})")

_SYSTEM: Final = {
    errno.ENOENT: _MISSING,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EISDIR: _FOLDER,
    errno.ETIMEDOUT: _SLOW,
    errno.ECONNREFUSED: _AWAY,
    errno.ECONNRESET: _AWAY,
    errno.ECONNABORTED: _AWAY,
    errno.EHOSTUNREACH: _AWAY,
    errno.ENETUNREACH: _AWAY,
    errno.EPIPE: _AWAY,
    errno.EIO: _DAMAGED,
}
"""By errno."""

_ERRNO_OF: Final[tuple[tuple[type[OSError], int], ...]] = (
    (FileNotFoundError, errno.ENOENT),
    (PermissionError, errno.EACCES),
    (IsADirectoryError, errno.EISDIR),
)

_S3: Final = {
    "AccessDenied": _DENIED,
    "ExpiredToken": _STRANGER,
    "InvalidAccessKeyId": _STRANGER,
    "InvalidToken": _STRANGER,
    "NoSuchBucket": _Case(MissingFileError, "no such bucket", "check the name of the bucket, and the endpoint"),
    "NoSuchKey": _MISSING,
    "RequestTimeout": _SLOW,
    "SignatureDoesNotMatch": _STRANGER,
    "SlowDown": _BUSY,
}
"""By code of S3."""

_CLASSES: Final = {
    "ClientConnectorCertificateError": _TLS,
    "ClientConnectorDNSError": _UNKNOWN,
    "ConnectTimeout": _SLOW,
    "ConnectTimeoutError": _SLOW,
    "EndpointConnectionError": _AWAY,
    "FSTimeoutError": _SLOW,
    "IncompleteRead": _AWAY,
    "NoCredentialsError": _Case(
        AuthenticationError, "there are no credentials", "set AWS_ACCESS_KEY_ID and its secret"
    ),
    "ReadTimeout": _SLOW,
    "ReadTimeoutError": _SLOW,
    "RemoteDisconnected": _AWAY,
    "ServerDisconnectedError": _AWAY,
    "ServerTimeoutError": _SLOW,
    "TooManyRedirects": _LOOP,
}
"""By name of a library's class that carries no number (aiohttp, botocore, fsspec, http.client, httpx, requests)."""

_WORDS: Final = (
    ("rather than 206", _WHOLE),
    ("cannot seek streaming http", _WHOLE),
    ("without a 'location'", _LOOP),
    ("file not found", _MISSING),
    ("protocol not known", _SCHEME),
)
"""What uproot and fsspec say of HTTP without a number."""


def read_error(path: str, error: BaseException) -> FileReadError:
    """Return the failure of a client as one of our classes.

    Args:
        path: the URL.
        error: what the client, fsspec or uproot raised.
    """
    for cause in _causes(error):
        if isinstance(cause, FileReadError):
            return cause
        found = _case(cause)
        if found is not None:
            return found.error(path)
    if isinstance(error, ConnectionError):
        return _AWAY.error(path)
    return FileReadError(f"cannot be read: {first_line(error)}", where=path)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from, the innermost first: a library's own words hide numbers."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return reversed(chain)


def _case(error: BaseException) -> _Case | None:
    if isinstance(error, XRootDError):
        return _xrootd(error.code, error.number)
    status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int) and status >= 400:
        return _HTTP.get(status, _BUSY if status >= 500 else None)
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        code = str(answer.get("Error", {}).get("Code"))
        return _S3.get(code) or (_HTTP.get(int(code)) if code.isdecimal() else None)
    if isinstance(error, ssl.SSLError):
        return _TLS
    if isinstance(error, socket.gaierror):
        return _AWAY if error.errno == socket.EAI_AGAIN else _UNKNOWN
    known = next((_CLASSES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _CLASSES), None)
    if known is not None:
        return known
    if isinstance(error, TimeoutError):
        return _SLOW
    if isinstance(error, OSError):
        return _SYSTEM.get(error.errno or _errno_of_class(error)) or _of_text(str(error))
    return _of_text(str(error)) if isinstance(error, ValueError | HTTPException) else None


def _errno_of_class(error: OSError) -> int:
    """The number of an error that was raised with a text alone."""
    return next((number for kind, number in _ERRNO_OF if isinstance(error, kind)), 0)


def _of_text(text: str) -> _Case | None:
    """The case of a text in which a library has hidden a status."""
    plain = text.lower()
    status = _HTTP_STATUS.search(plain)
    if status is not None and int(status[1]) in _HTTP:
        return _HTTP[int(status[1])]
    return next((case for part, case in _WORDS if part in plain), None)


def _xrootd(code: int, number: int) -> _Case | None:
    return _XROOTD_SERVER.get(number) or _XROOTD_CLIENT.get(code) or _SYSTEM.get(number)
