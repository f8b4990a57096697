"""The rate limit of a client."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import mmap
import time
from functools import lru_cache
from pathlib import Path

from mlaas4hep.errors.serving import TooManyRequestsError

__all__ = ["RateExceededError", "RateLimit", "client_key"]

UNITS = {"S": 1.0, "M": 60.0, "H": 3600.0, "D": 86400.0}
SLOTS = 1 << 20
SIZE = 8


class RateExceededError(TooManyRequestsError):
    """The client sent more requests than it may.

    Args:
        seconds: after which it may send the next one.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__("too many requests", hint=f"try again in {self.seconds} s")

    @property
    def headers(self) -> dict[str, str]:
        """Return when the client may send the next one."""
        return {"retry-after": str(self.seconds)}


class RateLimit:
    """Limits the requests of each client in a time, by the generic cell rate algorithm (ITU-T I.371).

    The state is one number a client: the time at which all its requests so far would have come at the steady rate. It
    lies in a table of 2^20 slots, in a file that all server processes map. Two clients in one slot, which is rare,
    share a limit.

    Args:
        text: ``100-S``, ``5000-M``, ``10000-H``, ``100000-D``: a number of requests a second, minute, hour, day.
        file: the shared table, made if it is not there; None: only this process.
    """

    def __init__(self, text: str, file: Path | None = None) -> None:
        number, _, unit = text.partition("-")
        self.period = UNITS[unit.upper()]
        self._step = self.period / int(number)
        self._window = self.period - self._step
        if file is None:
            self._map = mmap.mmap(-1, SLOTS * SIZE)
        else:
            with file.open("a+b") as table:
                table.truncate(SLOTS * SIZE)
                self._map = mmap.mmap(table.fileno(), SLOTS * SIZE)
        self._times = memoryview(self._map).cast("d")

    def count(self, key: bytes) -> None:
        """Count a request; raises RateExceededError if it is one too many."""
        wait = self.take(key)
        if wait:
            raise RateExceededError(wait)

    def take(self, key: bytes, now: float | None = None) -> float:
        """Count a request.

        Args:
            key: of the client.
            now: seconds of the machine's monotonic clock; None: the time it is.

        Returns:
            0.0 if the request may go on, else the seconds until the next one may (and this one is not counted).
        """
        now = time.monotonic() if now is None else now
        slot = int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "little") % SLOTS
        due = self._times[slot]
        due = max(due, now)
        wait = due - now - self._window
        if wait > 1e-9:
            return wait
        self._times[slot] = due + self._step
        return 0.0


@lru_cache(maxsize=4096)
def client_key(address: str) -> bytes:
    """Return the key of a client without a token: its address, of IPv6 the network of 64 bits.

    Example:
        >>> client_key("2001:db8::1") == client_key("2001:db8::2")
        True
    """
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return address.encode()
    if isinstance(given, ipaddress.IPv6Address):
        return given.ipv4_mapped.packed if given.ipv4_mapped else given.packed[:8]
    return given.packed
