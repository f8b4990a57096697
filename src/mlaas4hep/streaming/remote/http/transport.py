"""Files on web servers: neighbouring ranges in one request, several requests at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors.reading import NoRangeRequestsError
from mlaas4hep.streaming.remote.http import client as http_client
from mlaas4hep.streaming.remote.transport import TOGETHER, Arrived, Calls, Range, grouped

__all__ = ["HttpTransport"]

_GAP = 1 << 15
"""Bytes nobody asked for that are read rather than asked for apart."""

_SMALL = 64 << 20
"""Bytes of a file that is kept in memory where a server sends only whole files."""


class HttpTransport:
    """A file on a web server; see `Transport`.

    Args:
        url: of the file.
        policy: time-outs.

    Attributes:
        whole_only: true if the server ignores requests for parts; a small file is kept in memory then.
    """

    def __init__(self, url: str, policy: Remote) -> None:
        self._url, self._seconds = url, policy.request_timeout
        self._timeout = policy.connection_timeout + policy.request_timeout
        self._calls = Calls()
        self.size: int | None = None
        self.whole_only = False
        self._whole: bytes | None = None

    def open(self) -> None:
        """See `Transport`.

        Raises:
            OSError: it cannot be reached.
            NoRangeRequestsError: the server ignores requests for parts, and the file is not small.
        """
        about = self._calls.begin(http_client.describe, self._url, self._seconds).result(self._timeout)
        size = about.get("content-length", "")
        self.size = int(size) if size.isdecimal() else None
        self.whole_only = about.get("accept-ranges") == "none"
        if self.whole_only and (self.size is None or self.size > _SMALL):
            raise NoRangeRequestsError(where=self._url)

    def read(self, ranges: Sequence[Range], arrived: Arrived) -> None:
        """See `Transport`."""
        if self.whole_only:
            if self._whole is None:
                self._whole = self._begin(0, self.size or 0).result(self._timeout)
            for number, (start, stop) in enumerate(ranges):
                arrived(number, self._whole[start:stop])
            return
        groups = list(grouped(ranges, _GAP))
        for begin in range(0, len(groups), TOGETHER):
            part = groups[begin : begin + TOGETHER]
            asked = [self._begin(ranges[group[0]][0], max(ranges[n][1] for n in group)) for group in part]
            for group, answer in zip(part, asked, strict=True):
                data = answer.result(self._timeout)
                first = ranges[group[0]][0]
                for number in group:
                    arrived(number, data[ranges[number][0] - first : ranges[number][1] - first])

    def hang_up(self) -> None:
        """See `Transport`."""
        self._calls.hang_up()

    def close(self) -> None:
        """See `Transport`; what is still under way is dropped."""
        self._calls.hang_up()

    def _begin(self, start: int, stop: int) -> Future[bytes]:
        return self._calls.begin(http_client.read, self._url, start, stop, timeout=self._seconds)
