"""Files: does their server answer, how fast, and does it say which version of a file it has."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from mlaas4hep.cli.doctor.check import Check
from mlaas4hep.config.places import split_tree
from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.streaming.readers.files import open_raw
from mlaas4hep.streaming.remote.location import is_remote, resolve
from mlaas4hep.streaming.remote.patterns import expand
from mlaas4hep.streaming.remote.version import version_of

__all__ = ["servers"]

_AT_ONCE = 8
_FIRST = 64


def servers(files: Sequence[str], redirector: str | None) -> Iterator[Check]:
    """Give one check for each file, folder or pattern; of many files the first is read.

    Args:
        files: as the user named them.
        redirector: for logical names.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda name: _answer(name, redirector), files)


def _answer(name: str, redirector: str | None) -> Check:
    begin = time.perf_counter()
    location = name
    try:
        location = resolve(split_tree(name)[0], redirector)
        found = expand(location)
        listed = time.perf_counter()
        with open_raw(found[0]) as file:
            opened = time.perf_counter()
            size = len(file.read(_FIRST))
        done = time.perf_counter()
    except (MLaaS4HEPError, OSError) as error:
        seconds = time.perf_counter() - begin
        text = f"{error.what if isinstance(error, MLaaS4HEPError) else error} (after {seconds:.2f} s)"
        hint = getattr(error, "hint", None)
        kind = getattr(error, "kind", "credentials")
        return Check("files", name, "failed", f"{text}; {hint}" if hint else text, {"class": kind, "seconds": seconds})
    facts = {"open_seconds": opened - listed, "first_bytes_seconds": done - opened, "files": len(found)}
    text = f"opened in {1e3 * (opened - listed):.0f} ms, first {size} bytes {1e3 * (done - opened):.0f} ms later"
    if len(found) > 1:
        text = f"{len(found)} files, listed in {1e3 * (listed - begin):.0f} ms; the first {text}"
    if is_remote(location):
        facts["version"] = version_of(found[0]) is not None
        text += "" if facts["version"] else "; the server does not say when a file changes, so it is not cached"
    return Check("files", name, "ok", text, facts)
