"""Packages: what each extra needs, which versions are there, and whether they fit."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from mlaas4hep import __version__
from mlaas4hep.cli.doctor.check import Check
from mlaas4hep.extras import install_hint

__all__ = ["packages"]

_CORE = "core"
_LEFT_OUT = ("all", "simulate")


def packages() -> Iterator[Check]:
    """Give a check for the core and one for each extra; what the metadata of this package says decides."""
    yield Check(
        "packages",
        "mlaas4hep",
        "ok",
        f"{__version__}, Python {platform.python_version()}",
        {"version": __version__, "python": platform.python_version()},
    )
    for extra, requirements in _requirements().items():
        versions: dict[str, str | None] = {}
        wrong = []
        for requirement in requirements:
            found = _version(requirement.name)
            versions[requirement.name] = found
            if found is not None and not requirement.specifier.contains(found, prereleases=True):
                wrong.append(f"{requirement.name} {found} does not fit {requirement.specifier}")
        missing = [name for name, version in versions.items() if version is None]
        shown = ", ".join(f"{name} {version}" for name, version in versions.items() if version is not None)
        hint = "pip install mlaas4hep" if extra == _CORE else install_hint(extra)
        if wrong:
            yield Check("packages", extra, "failed", f"{'; '.join(wrong)}; {hint}", {"versions": versions})
        elif missing:
            text = f"without {', '.join(missing)}; {hint}"
            yield Check("packages", extra, "failed" if extra == _CORE else "absent", text, {"versions": versions})
        else:
            text = f"{len(versions)} packages, all that are needed" if extra == _CORE else shown
            yield Check("packages", extra, "ok", text, {"versions": versions})


def _requirements() -> dict[str, list[Requirement]]:
    """What is needed on this machine, by extra."""
    try:
        texts = metadata.requires("mlaas4hep") or []
        extras = metadata.metadata("mlaas4hep").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[Requirement]] = {_CORE: []}
    requirements = [Requirement(text) for text in texts]
    for extra in (_CORE, *(name for name in extras if name not in _LEFT_OUT)):
        for requirement in requirements:
            of_extra = requirement.marker is not None and "extra" in str(requirement.marker)
            if of_extra == (extra == _CORE):
                continue
            if requirement.marker is None or requirement.marker.evaluate({"extra": "" if extra == _CORE else extra}):
                found.setdefault(extra, []).append(requirement)
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
