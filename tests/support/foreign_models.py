"""Converting in tests."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.tensors import Runtime
from mlaas4hep.inference.conversion.convert import convert as convert_files
from mlaas4hep.inference.conversion.upload import convert_upload
from mlaas4hep.inference.execution.opening import open_runtime
from mlaas4hep.inference.settings import Limits

__all__ = ["LIMITS", "close", "convert", "convert_here", "opened"]

LIMITS = Limits(conversion_memory=8 * 2**30, conversion_timeout=280)


def convert(
    source: Path, target: Path, params: Mapping[str, Any] | None = None, limits: Limits = LIMITS
) -> dict[str, Any]:
    """Convert an upload; the content of served.json."""
    asyncio.run(convert_upload(source, target, params or {}, limits))
    served: dict[str, Any] = json.loads((target / "served.json").read_text())
    return served


@contextmanager
def opened(folder: Path) -> Iterator[Runtime]:
    """The runtime of a version's folder."""
    runtime = open_runtime(folder, threads=1, limits=LIMITS)
    try:
        yield runtime
    finally:
        runtime.close()


def close(given: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Equal to 1e-5 of the largest value."""
    expected = np.asarray(expected, np.float64)
    return given.shape == expected.shape and bool(np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max())


def convert_here(file: Path, target: Path, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Convert in this process, which is quicker; the version's folder is as after an upload."""
    original = target / "original"
    if file.is_dir():
        shutil.copytree(file, original)
    else:
        original.mkdir(parents=True)
        shutil.copyfile(file, original / file.name)
    convert_files(original, target, dict(params or {}))
    served: dict[str, Any] = json.loads((target / "served.json").read_text())
    return served
