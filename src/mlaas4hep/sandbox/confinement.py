"""What confines a process: no network, only the folders it needs, limits on memory and files."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import site
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["command", "confine", "environment", "method", "refusal"]

log = logging.getLogger(__name__)

SYSTEM: Final = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/alternatives")
PASSED_ON: Final = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
TEMPORARY_BYTES: Final = 64 * 2**20


@cache
def method() -> str:
    """Return what confines processes on this machine: ``bubblewrap``, ``unshare`` (no network) or ``limits`` alone."""
    if refusal() is None:
        found = "bubblewrap"
    elif _unshare():
        found = "unshare"
    else:
        found = "limits"
    without = {"unshare": "bubblewrap does not work here", "limits": "neither bubblewrap nor unshare works here"}
    level = logging.INFO if found == "bubblewrap" else logging.WARNING
    log.log(level, "foreign models are isolated by %s%s", found, f" ({without[found]})" if found in without else "")
    return found


def refusal() -> str | None:
    """Return why bubblewrap does not work on this machine; None: it does."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return "the program bwrap is not installed"
    line = [bwrap, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "/bin/true"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bwrap does not run ({type(error).__name__})"
    said = done.stderr.strip().splitlines()
    return None if done.returncode == 0 else said[0] if said else f"exit code {done.returncode}"


def command(
    module: str,
    arguments: Sequence[str],
    *,
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    die_with_parent: bool = False,
) -> list[str]:
    """Return the command line that runs a module of ours in the sandbox. Its process calls `confine` first of all.

    Args:
        module: name of the module.
        arguments: its arguments.
        readable: files and folders it may read, besides the system's and Python's.
        writable: folders it may write to; everything else it writes is lost.
        die_with_parent: kill it when the thread that starts it ends (so that thread must be the main one).
    """
    python = [sys.executable, "-P", "-m", module, *arguments]
    if method() == "unshare":
        return [*(_unshare() or []), *python]
    if method() == "limits":
        return python
    line = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
    line += ["--size", str(TEMPORARY_BYTES), "--tmpfs", "/tmp"]
    if die_with_parent:
        line.append("--die-with-parent")
    for path in (*SYSTEM, *_python()):
        line += ["--ro-bind-try", path, path]
    for item in readable:
        line += ["--ro-bind", str(item.resolve()), str(item.resolve())]
    for item in writable:
        line += ["--bind", str(item.resolve()), str(item.resolve())]
    return [*line, "--chdir", "/", *python]


def environment(threads: int, temporary: str = "/tmp") -> dict[str, str]:
    """Return the environment of such a process: nothing secret, frameworks quiet and bounded.

    Args:
        threads: of one operation.
        temporary: folder for temporary files.
    """
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    paths = [str(_package()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    number = str(threads)
    return {
        **kept,
        "PATH": "/usr/bin:/bin",
        "HOME": temporary,
        "TMPDIR": temporary,
        "USER": "nobody",
        "LOGNAME": "nobody",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": number,
        "OPENBLAS_NUM_THREADS": number,
        "TF_NUM_INTRAOP_THREADS": number,
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "KERAS_BACKEND": "tensorflow",
        "MPLBACKEND": "agg",
    }


def confine(memory: int, *, files: int | None = None) -> None:
    """Limit the address space of this process and the files it writes; let it leave no core files.

    Args:
        memory: bytes of address space.
        files: bytes of one file.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    if files is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (files, files))


def _python() -> list[str]:
    """Folders that hold Python, its packages and this package, outermost only. Not the current folder."""
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), str(_package())}
    if site.ENABLE_USER_SITE:
        found.add(site.getusersitepackages())
    found.update(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    paths = {place for path in found for place in (Path(path).absolute(), Path(path).resolve())}
    there = sorted(path for path in paths if path.is_dir() and path != Path(path.anchor))
    return [str(path) for path in there if not any(other in path.parents for other in there)]


def _package() -> Path:
    """The folder that holds the package ``mlaas4hep``."""
    return Path(__file__).resolve().parents[2]


@cache
def _unshare() -> list[str] | None:
    program = shutil.which("unshare")
    if program is None:
        return None
    for options in (["--net"], ["--user", "--map-current-user", "--net"]):
        if _works([program, *options, "/bin/true"]):
            return [program, *options]
    return None


def _works(line: list[str]) -> bool:
    try:
        return subprocess.run(line, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
