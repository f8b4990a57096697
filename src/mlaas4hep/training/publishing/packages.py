"""Versions of the packages that take part in a training."""

from __future__ import annotations

from importlib import metadata

from mlaas4hep.frameworks.registry import frameworks

__all__ = ["package_versions"]

ALWAYS = ("mlaas4hep", "awkward", "numpy", "uproot")


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that may have taken part, those installed, by name."""
    versions: dict[str, str] = {}
    for name in sorted({*ALWAYS, *(name for framework in frameworks() for name in framework.packages)}):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
