"""What the head of an HTTP request must be like, whatever it asks for (RFC 9112, 9110): one way to read it, or none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mlaas4hep.web.http.refusal import Refusal

__all__ = ["FRAMING", "MOST", "check_head"]

MOST = 256
"""Headers of a request."""
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


def check_head(
    method: bytes, version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], fields: Mapping[bytes, bytes]
) -> None:
    """Check that a head means one thing.

    Args:
        method: in capitals.
        version: of HTTP.
        target: as it was sent.
        headers: names in small letters and values, in their order.
        fields: the last value of each.

    Raises:
        Refusal: it does not.
    """
    if version not in VERSIONS:
        raise Refusal(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method == b"CONNECT":  # for the parser the request ends here, and what follows is of another protocol
        raise Refusal(400, "CONNECT is for proxies; this is not one")
    if not target.startswith(b"/") and not (target == b"*" and method == b"OPTIONS"):
        raise Refusal(400, "the target of a request must be a path; this is not a proxy")
    if b"#" in target:
        raise Refusal(400, "the target of a request has no fragment")
    if len(fields) != len(headers):
        seen: set[bytes] = set()
        for name, _ in headers:
            if name in ONCE and name in seen:
                raise Refusal(400, f"the header {name.decode('latin-1')} is given twice")
            seen.add(name)
    host = fields.get(b"host")
    if host is None:
        if version == "1.1":
            raise Refusal(400, "the header host is missing")
    elif not AUTHORITY.fullmatch(host):
        raise Refusal(400, "the header host is not a name with a port")
    coding = fields.get(FRAMING)
    if coding is not None and (version == "1.0" or coding.strip().lower() != b"chunked"):
        raise Refusal(400, "the only transfer-encoding is chunked, in HTTP/1.1")
