"""Paths without the names in them, so that metrics have few labels whatever clients ask for."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from starlette.routing import BaseRoute, Mount, Route

__all__ = ["OTHER", "Templates"]

OTHER = "other"
OWN = ("/metrics", "/health/live", "/health/ready")
HOT = ("/infer",)


class Templates:
    """The template of a path, e.g. ``/v2/models/{model}/infer``; of a path that is not there ``other``.

    Args:
        routes: of the application; those inside a mount without its prefix.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._plain: set[str] = set(OWN)
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        self._add(routes)
        self._found = functools.lru_cache(maxsize=256)(self._look)
        self._patterns.sort(key=lambda pattern: not pattern[1].endswith(HOT))

    def __call__(self, path: str) -> str:
        """The template of a path."""
        if path in self._plain:
            return path
        return self._found(path)

    def _look(self, path: str) -> str:
        return next((template for pattern, template in self._patterns if pattern.match(path)), OTHER)

    def _add(self, routes: Iterable[BaseRoute]) -> None:
        for route in routes:
            if isinstance(route, Mount):
                self._add(route.routes)
            elif isinstance(route, Route) and "{" in route.path:
                self._patterns.append((route.path_regex, route.path.replace(":path}", "}")))
            elif isinstance(route, Route):
                self._plain.add(route.path)
