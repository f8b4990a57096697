"""From an uploaded file or folder to something that can be served."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.inference.execution import sandbox
from mlaas4hep.inference.settings import Limits

__all__ = ["convert_upload"]

log = logging.getLogger(__name__)
MODULE: Final = "mlaas4hep.inference.conversion.convert_main"
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
    if not unsandboxed and await asyncio.to_thread(sandbox.method) == "limits":
        raise ModelRefusedError(
            "this server cannot convert models of others safely",
            hint="install bubblewrap on it, or set security.unsandboxed_conversion",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".convert-", dir=target.parent))
    try:
        method = await asyncio.to_thread(_prepare, source, work, dict(params), limits)
        log.info("conversion of %s, closed in by %s", source.name, method)
        code, text = await _run(work, limits)
        refused = work / "out" / "refused.txt"
        if refused.is_file():
            raise ModelRefusedError(refused.read_text("utf-8", errors="replace")[:2000])
        if code or not (work / "out" / "served.json").is_file():
            raise ModelRefusedError(_death(code, text, limits))
        await asyncio.to_thread(_say_who_serves, source.name, work / "out" / "served.json")
        await asyncio.to_thread(_publish, work, target)
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


def _prepare(source: Path, work: Path, params: dict[str, Any], limits: Limits) -> str:
    """Copy the upload and write the job."""
    original = work / "original"
    if source.is_dir():
        if any(path.is_symlink() for path in source.rglob("*")):
            what = "the upload holds links"
            raise ModelRefusedError(what)
        shutil.copytree(source, original)
    else:
        original.mkdir()
        shutil.copyfile(source, original / source.name)
    for name in ("out", "tmp"):
        (work / name).mkdir()
    method = sandbox.method()
    job = {
        "original": str(original.resolve()),
        "out": str((work / "out").resolve()),
        "params": params,
        "memory": limits.conversion_memory,
        "files": limits.upload,
        "closed": method == "bubblewrap",
    }
    (work / "job.json").write_text(json.dumps(job), encoding="utf-8")
    return method


async def _run(work: Path, limits: Limits) -> tuple[int, str]:
    """Run the conversion; its exit code and the end of what it printed."""
    line = sandbox.command(
        MODULE,
        [str((work / "job.json").resolve())],
        readable=[work / "job.json", work / "original"],
        writable=[work / "out", work / "tmp"],
        die_with_parent=True,
    )
    with (work / "log").open("w+b") as printed:
        process = await asyncio.create_subprocess_exec(
            *line,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            env=sandbox.environment(THREADS, str((work / "tmp").resolve())),
            cwd="/",
            start_new_session=True,
        )
        try:
            await asyncio.wait_for(process.wait(), limits.conversion_timeout)
        except TimeoutError as error:
            what = f"its conversion took longer than {limits.conversion_timeout:g} s"
            raise ModelRefusedError(what) from error
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            code = await process.wait()
        printed.seek(max(0, printed.tell() - 4000))
        text = printed.read().decode("utf-8", errors="replace")
    return code, text


def _death(code: int, text: str, limits: Limits) -> str:
    """Why there is no result although nothing was refused."""
    log.warning("a conversion ended with code %s: %s", code, text[-2000:])
    memory = ("MemoryError", "bad_alloc", "Cannot allocate", "cannot allocate", "out of memory", "failed to map")
    if any(word in text for word in memory):
        return f"its conversion needs more than {limits.conversion_memory / 2**30:.3g} GiB of memory"
    number = -code if code < 0 else code - 128
    if 0 < number < 65:
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        return f"its conversion crashed ({name})"
    return f"its conversion failed (exit code {code})"


def _say_who_serves(name: str, file: Path) -> None:
    """Log a model that is not served as ONNX, or was not compared, with the reason."""
    served = json.loads(file.read_bytes())
    if served["reason"]:
        how = "as ONNX" if served["runtime"] == "onnx" else f"by {served['framework']} in a process of its own"
        log.warning("%s is served %s: %s", name, how, served["reason"])


def _publish(work: Path, target: Path) -> None:
    """Put original and result together, and rename the whole to its place."""
    (work / "original").rename(work / "out" / "original")
    if target.is_dir():
        target.rmdir()
    (work / "out").rename(target)
