"""One credential that was found: where, for how long it is valid, and how to renew it. Never the secret itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Credential", "duration"]

_UNITS = (("day", 86400), ("h", 3600), ("min", 60), ("s", 1))


@dataclass(frozen=True)
class Credential:
    """A credential.

    Attributes:
        kind: what it is, e.g. ``X.509 proxy``.
        place: variable or file that it was found in, or both.
        expires: end of its validity in seconds since 1970; None: unknown, or it has none.
        renew: command that renews it, for messages.
        about: whom it names or who issued it; "" if it does not say.
        problem: why it cannot be used whatever the time; None: nothing is known against it.
        exposed: that others may read it, and what to do; None: they may not. XRootD takes no notice of such a file.
        file: that holds it; None: no file, or more than one.
    """

    kind: str
    place: str
    expires: float | None = None
    renew: str = ""
    about: str = ""
    problem: str | None = None
    exposed: str | None = None
    file: Path | None = None

    def expired(self, now: float) -> bool:
        """Return whether its validity is over at ``now``, in seconds since 1970."""
        return self.expires is not None and self.expires <= now

    def validity(self, now: float) -> str:
        """Return what a table says about its validity at ``now``, in seconds since 1970."""
        if self.expires is not None and self.expired(now):
            return f"expired {duration(now - self.expires)} ago, on {_date(self.expires)}"
        if self.problem is not None or self.exposed is not None:
            return self.problem or str(self.exposed)
        if self.expires is None:
            return "its end of validity is not known"
        return f"valid for {duration(self.expires - now)}, until {_date(self.expires)}"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units.

    Example:
        >>> duration(7384), duration(90061), duration(2 * 86400)
        ('2 h 3 min', '1 day 1 h', '2 days')
    """
    rest = int(seconds)
    parts: list[tuple[int, str]] = []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if parts or count:
            parts.append((count, name))
    shown = [f"{count} {name}{'s' if name == 'day' and count > 1 else ''}" for count, name in parts[:2] if count]
    return " ".join(shown) or "0 s"


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "a date out of range"
