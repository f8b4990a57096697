"""Writing what a command was asked to write, whole or not at all."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_text"]


def write_text(path: Path, text: str) -> None:
    """Write beside and rename.

    Raises:
        OutputError: it cannot be written.
    """
    from mlaas4hep.bundle.files import beside, replace

    with beside(path.absolute()) as partial:
        partial.write_text(text, encoding="utf-8")
        replace(partial, path.absolute())
