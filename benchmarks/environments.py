"""Peers live in environments of their own, made from PyPI the first time and kept in ``benchmarks/.cache``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["CACHE", "ROOT", "Absent", "environment", "ignored", "source_of", "unpacked"]

ROOT = Path(__file__).resolve().parents[1]
"""This checkout."""

CACHE = ROOT / "benchmarks" / ".cache"


class Absent(Exception):
    """A peer that cannot be had on this machine; says why."""


def source_of(checkout: Path) -> tuple[str, dict[str, str]]:
    """Return the Python and the environment variables that run the code of a checkout.

    Its own ``.venv`` is used if it has one, else this Python.
    """
    own = checkout / ".venv" / "bin" / "python"
    python = str(own) if checkout != ROOT and own.exists() else sys.executable
    paths = filter(None, (str(checkout / "src"), os.getenv("PYTHONPATH")))
    return python, {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def ignored(cache: Path) -> Path:
    """Return the folder for what is kept; git ignores what is in it."""
    cache.mkdir(parents=True, exist_ok=True)
    mark = cache / ".gitignore"
    if not mark.exists():
        mark.write_text("*\n", encoding="utf-8")
    return cache


def environment(cache: Path, name: str, *steps: Sequence[str]) -> Path:
    """Return the Python of a virtual environment.

    Args:
        cache: where it is kept.
        name: of its folder.
        steps: requirements, installed one step after the other.

    Raises:
        Absent: pip does not find them.
    """
    folder = ignored(cache) / name
    python = folder / "bin" / "python"

    def make() -> None:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        for step in steps:
            _pip(python, "install", *step)

    _once(folder, name, make)
    return python


def unpacked(cache: Path, name: str, requirement: str) -> Path:
    """Return the folder of a wheel that is unpacked and not installed.

    Raises:
        Absent: pip does not find it.
    """
    folder = ignored(cache) / name

    def make() -> None:
        folder.mkdir(exist_ok=True)
        _pip(
            Path(sys.executable), "install", "--no-deps", "--only-binary", ":all:", "--target", str(folder), requirement
        )

    _once(folder, name, make)
    return folder


def _once(folder: Path, name: str, make: Callable[[], None]) -> None:
    stamp = folder / ".stamp"
    if not stamp.exists():
        print(f"making {name} in {folder}", flush=True)
        make()
        stamp.touch()


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Absent(lines[-1] if lines else f"pip ended with {done.returncode}")
