"""Conversion of an uploaded file or folder to a version that can be served."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.inference.settings import Limits
from mlaas4hep.sandbox import confinement
from mlaas4hep.sandbox.process import ChildError, ask_once

__all__ = ["convert_upload"]

log = logging.getLogger(__name__)
CONVERT: Final = "mlaas4hep.inference.conversion.convert:run"
THREADS: Final = 2


async def convert_upload(
    source: Path, target: Path, params: Mapping[str, Any], limits: Limits, *, unsandboxed: bool = False
) -> None:
    """Recognise a foreign model, convert it in a process of its own, compare, and write what can be served.

    Args:
        source: a file, or a folder (safely unpacked) that holds the model and may hold params.json, labels.txt and
            config.pbtxt.
        target: folder to make: ``served.json``, ``original/``, and ``model.onnx`` unless a worker serves the original.
            It must not exist, or be empty. Nothing is left there when this fails.
        params: what the client said about the model (params.json of TFaaS); goes before a params.json in `source`.
        limits: time and memory of the conversion, size of the result.
        unsandboxed: convert even where no way to close processes in works, with limits on time and memory alone.

    Raises:
        ModelRefusedError: a pickle, code of the maker's own, an unknown or damaged format, a model that can neither be
            converted nor be run safely, or whose conversion exceeds the limits; or nothing here closes conversions in.
            The message says which.
    """
    if not unsandboxed and await asyncio.to_thread(confinement.method) == "limits":
        raise ModelRefusedError(
            "this server cannot convert models of others safely",
            hint="install bubblewrap on it, or set security.unsandboxed_conversion",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".convert-", dir=target.parent))
    try:
        await asyncio.to_thread(_prepare, source, work)
        log.info("conversion of %s, confined by %s", source.name, confinement.method())
        try:
            await ask_once(
                CONVERT,
                {
                    "original": str((work / "original").resolve()),
                    "out": str((work / "out").resolve()),
                    "params": dict(params),
                    "sandboxed": confinement.method() == "bubblewrap",
                },
                seconds=limits.conversion_timeout,
                threads=THREADS,
                memory=limits.conversion_memory,
                files=limits.upload,
                readable=[work / "original"],
                writable=[work / "tmp", work / "out"],
            )
        except ChildError as error:
            raise ModelRefusedError(str(error)[:2000] if error.kind == "refused" else _reason(error, limits)) from error
        await asyncio.to_thread(_say_who_serves, source.name, work / "out" / "served.json")
        await asyncio.to_thread(_publish, work, target)
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


def _prepare(source: Path, work: Path) -> None:
    """Copy the upload."""
    original = work / "original"
    if source.is_dir():
        if any(path.is_symlink() for path in source.rglob("*")):
            raise ModelRefusedError("the upload holds links")
        shutil.copytree(source, original)
    else:
        original.mkdir()
        shutil.copyfile(source, original / source.name)
    for name in ("out", "tmp"):
        (work / name).mkdir()


def _reason(error: ChildError, limits: Limits) -> str:
    """Return why there is no result."""
    if error.kind == "memory":
        return f"its conversion needs more than {limits.conversion_memory / 2**30:.3g} GiB of memory"
    if error.kind == "late":
        return f"its conversion took longer than {limits.conversion_timeout:g} s"
    if error.kind == "failed":
        return f"its conversion failed ({error.type}: {error})"
    log.warning("a conversion ended %s: %s", error, " ".join(getattr(error, "__notes__", ())))
    return f"its conversion crashed ({error})"


def _say_who_serves(name: str, file: Path) -> None:
    """Log a model that is not served as ONNX, or was not compared, with the reason."""
    served = json.loads(file.read_bytes())
    if served["reason"]:
        how = "as ONNX" if served["runtime"] == "onnx" else f"by {served['framework']} in a process of its own"
        log.warning("%s is served %s: %s", name, how, served["reason"])


def _publish(work: Path, target: Path) -> None:
    """Put original and result together, and rename the folder to the target."""
    (work / "original").rename(work / "out" / "original")
    if target.is_dir():
        target.rmdir()
    (work / "out").rename(target)
