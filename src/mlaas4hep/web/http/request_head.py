"""What the head of an HTTP request must be like, whatever it asks for (RFC 9112, 9110): one way to read it, or none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

__all__ = ["FRAMING", "LARGEST", "MOST", "SLACK", "HeadError", "check_head"]

LARGEST = 64 * 1024
"""Bytes of a head, and of what stands between and behind the chunks of a body."""
MOST = 256
"""Headers of a request."""
SLACK = 16
"""Bytes around each byte of a chunked body, beyond `LARGEST`, that small chunks may cost."""
FRAMING = b"transfer-encoding"
ONCE = frozenset(
    (
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"inference-header-content-length",
        b"origin",
        FRAMING,
    )
)
"""Headers that decide something: of two values, another program on the way may have looked at the other one."""
AUTHORITY = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]+")
VERSIONS = ("1.0", "1.1")


class HeadError(Exception):
    """The request cannot be taken.

    Args:
        status: of the answer, after which the connection ends.
        what: says why.
    """

    def __init__(self, status: int, what: str) -> None:
        self.status = status
        super().__init__(what)


def check_head(
    method: bytes, version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], fields: Mapping[bytes, bytes]
) -> None:
    """See that a head means one thing.

    Args:
        method: in capitals.
        version: of HTTP.
        target: as it was sent.
        headers: names in small letters and values, in their order.
        fields: the last value of each.

    Raises:
        HeadError: it does not.
    """
    if version not in VERSIONS:
        raise HeadError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    if not target.startswith(b"/") and not (target == b"*" and method == b"OPTIONS"):
        raise HeadError(400, "the target of a request must be a path; this is not a proxy")
    if b"#" in target:
        raise HeadError(400, "the target of a request has no fragment")
    if len(fields) != len(headers):
        seen: set[bytes] = set()
        for name, _ in headers:
            if name in ONCE and name in seen:
                raise HeadError(400, f"the header {name.decode('latin-1')} is given twice")
            seen.add(name)
    host = fields.get(b"host")
    if host is None:
        if version == "1.1":
            raise HeadError(400, "the header host is missing")
    elif not AUTHORITY.fullmatch(host):
        raise HeadError(400, "the header host is not a name with a port")
    coding = fields.get(FRAMING)
    if coding is not None and (version == "1.0" or coding.strip().lower() != b"chunked"):
        raise HeadError(400, "the only transfer-encoding is chunked, in HTTP/1.1")
