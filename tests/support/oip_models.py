"""The models on which the clients of the Open Inference Protocol are tried."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Limits, Settings
from tests.support.onnx_models import ECHO_TYPES, echo, fixed, scorer, write
from tests.support.serving import make_bundle

__all__ = ["plane_with_models"]


@asynccontextmanager
async def plane_with_models(root: Path) -> AsyncIterator[Server]:
    """``scorer`` and the bundle ``toy`` in versions 1 and 2, ``other`` to load and unload.

    Also ``fixed`` without an axis of rows, and ``echo_<datatype>``.
    """
    for name, version in (("scorer", "1"), ("scorer", "2"), ("other", "1")):
        write(scorer(), root / name / version / "model.onnx")
    # Without a label only the newest version is in memory before it is asked for.
    (root / "scorer" / "model.json").write_text('{"labels": {"old": "1"}}')
    for version in ("1", "2"):
        make_bundle(root / "toy" / version)
    write(fixed(), root / "fixed" / "1" / "model.onnx")
    for datatype in ECHO_TYPES:
        write(echo(datatype), root / f"echo_{datatype}" / "1" / "model.onnx")
    server = Server(Settings(repository=root, limits=Limits(loaded=50)))
    await server.start()
    await server.look()  # files without checksums count once they stayed the same between two looks
    await server.loaded()
    try:
        yield server
    finally:
        await server.stop()
