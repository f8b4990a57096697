"""Names and glob patterns of branches, as they stand in a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

__all__ = ["Patterns"]

_NO_GLOB = re.compile(r"[^*?\[]*")


class Patterns:
    """Names and glob patterns; compiled once, as a file may have thousands of branches."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._names = frozenset(patterns)
        globs = [translate(pattern) for pattern in sorted(self._names) if not _NO_GLOB.fullmatch(pattern)]
        self._globs = re.compile("|".join(globs)) if globs else None

    def match(self, name: str) -> bool:
        """Return whether one of them is the name, or fits it."""
        return name in self._names or (self._globs is not None and self._globs.match(name) is not None)

    def match_any(self, names: Iterable[str]) -> bool:
        """Return whether one of them fits one of the names."""
        return any(map(self.match, names))
