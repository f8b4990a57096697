"""The machine: cores, memory, disk for temporary files, GPUs, and the sandbox for what is not trusted."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from mlaas4hep.cli.doctor.check import Check
from mlaas4hep.sandbox.confinement import method, refusal

__all__ = ["machine"]

_GIB = 1 << 30
_SMALL_DISK = _GIB
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_QUERY = "name,memory.total,driver_version"


def machine() -> Iterator[Check]:
    """Give the checks of the machine."""
    cores = len(os.sched_getaffinity(0))
    yield Check("machine", "cores", "ok", f"{cores} for this process", {"cores": cores})
    yield _memory()
    yield _disk()
    yield from _gpu()
    yield _sandbox()


def _memory() -> Check:
    found = psutil.virtual_memory()
    total, limit = int(found.total), _cgroup_limit()
    text = f"{total / _GIB:.1f} GiB, {found.available / _GIB:.1f} GiB free"
    if limit is not None and limit < total:
        text += f", but {limit / _GIB:.1f} GiB for this container or job; set reading.memory_limit to a quarter of it"
    return Check("machine", "memory", "ok", text, {"bytes": total, "free": int(found.available), "limit": limit})


def _cgroup_limit() -> int | None:
    for name in _CGROUPS:
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdecimal() else None
    return None


def _disk() -> Check:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    text = f"{free / _GIB:.1f} GiB free in {folder}"
    facts = {"folder": folder, "free": free}
    if free < _SMALL_DISK:
        return Check("machine", "disk", "failed", f"{text}; set TMPDIR to a folder with more", facts)
    return Check("machine", "disk", "ok", text, facts)


def _gpu() -> Iterator[Check]:
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Check("machine", "GPU", "absent", "no nvidia-smi, so models are trained on the CPU")
        return
    line = [program, f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Check("machine", "GPU", "failed", f"nvidia-smi does not answer ({type(error).__name__})")
        return
    cards = done.stdout.strip().splitlines()
    if done.returncode or not cards:
        said = (done.stdout + done.stderr).strip().splitlines()
        yield Check("machine", "GPU", "failed", f"nvidia-smi: {said[0] if said else 'no card'}")
        return
    yield Check("machine", "GPU", "ok", "; ".join(cards), {"cards": cards})
    for name, sees in (("torch", _torch_sees), ("tensorflow", _tensorflow_sees)):
        if importlib.util.find_spec(name) is not None:
            seen = sees()
            text = "uses it" if seen else "does not see it: a build for the CPU, or one that does not fit the driver"
            yield Check("machine", f"GPU in {name}", "ok" if seen else "failed", text)


def _torch_sees() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _tensorflow_sees() -> bool:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _sandbox() -> Check:
    how = method()
    if how == "bubblewrap":
        return Check("machine", "sandbox", "ok", "bubblewrap works: foreign models run confined", {"method": how})
    left = {"unshare": "foreign models run without a network only", "limits": "foreign models run with limits only"}[
        how
    ]
    why = refusal() or "it is not used"
    return Check("machine", "sandbox", "failed", f"bubblewrap does not work ({why}); {left}", {"method": how})
