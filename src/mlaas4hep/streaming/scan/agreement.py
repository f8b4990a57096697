"""Do the files mean the same by a name, and do they have its numbers? Found out before anything is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlaas4hep.errors import BranchReadError, ConfigError
from mlaas4hep.errors.findings import few
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.readers.base import Branch

__all__ = ["check_meaning", "contested", "lost_branches", "lost_error"]


def lost_branches(files: Iterable[DataFile]) -> dict[str, tuple[str, str]]:
    """Branches whose numbers are missing or damaged in a file: by name, the first such file, and what is wrong."""
    lost: dict[str, tuple[str, str]] = {}
    for file in files:
        for name, branch in file.source.branches.items():
            if branch.lost:
                lost.setdefault(name, (file.path, branch.problem))
    return lost


def lost_error(lost: Mapping[str, tuple[str, str]], files: Sequence[DataFile]) -> BranchReadError:
    """Return the error for branches that are needed and lost; names the first one's file and all branches.

    Those of other files are its `others`.
    """
    errors = []
    place, _ = next(iter(lost.values()))
    for file in files:
        own = {n: (file.path, b.problem) for n, b in file.source.branches.items() if n in lost and b.lost}
        if own:
            error = _lost_error(lost if file.path == place else own)
            error.file = file.index
            errors.append(error)
    first, *others = sorted(errors, key=lambda error: error.where != place)
    first.others = tuple(others)
    return first


def _lost_error(lost: Mapping[str, tuple[str, str]]) -> BranchReadError:
    name, (path, problem) = next(iter(lost.items()))
    more = f" (nor can {few(list(lost)[1:])})" if len(lost) > 1 else ""
    names = ", ".join(lost)
    hint = f"write the file again, or leave out what is missing: features.exclude: [{names}]"
    return BranchReadError(
        f"branch {name} {problem}{more}", {n: p for n, (_, p) in lost.items()}, where=path, hint=hint
    )


def check_meaning(files: Sequence[DataFile], names: Iterable[str]) -> None:
    """See that no name stands for one branch here and for another there.

    A file with the branch ``Jet.pt`` alone and one with ``Jet_pt`` alone are taken for two ways to write the same. If
    one of them has both, they are not.

    Raises:
        ConfigError: a name stands for different branches.
    """
    for name in names:
        places: dict[str, DataFile] = {}
        for file in files:
            branch = file.source.branches.get(name)
            if branch is not None:
                places.setdefault(branch.stored or name, file)
        if len(places) < 2:
            continue
        for stored, file in places.items():
            both = {branch.stored or branch.name for branch in file.source.branches.values()} & (
                places.keys() - {stored}
            )
            if both:
                other = min(both)
                raise ConfigError(
                    f"{name} is the branch {stored} here, and {other} in {places[other].path}",
                    where=file.path,
                    hint=f"exclude {name}, or write it by one name in all files",
                )


def contested(branches: Mapping[str, Branch], chosen: Iterable[str]) -> str | None:
    """A line on those that do not have the name one would expect, because other branches have or would have it too."""
    found = [
        f"{name} (not {branch.contested})"
        for name in chosen
        if (branch := branches.get(name)) is not None and branch.contested
    ]
    return f"names that other branches have or would have too, so longer ones: {few(found)}" if found else None
