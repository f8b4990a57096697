"""A model file as it is looked at before anything loads it."""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.recognition.wire import protobuf_kind

__all__ = ["Peek", "peeking"]

HEAD: Final = 4096
MEMBERS: Final = 100_000
BYTES: Final = 16 * 2**30


class Peek:
    """Content of a file; nothing of it is loaded.

    Attributes:
        path: where it lies; its name is not to be trusted.
        data: its bytes, mapped.
        head: the first of them.
    """

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.head = bytes(data[:HEAD])

    @cached_property
    def members(self) -> frozenset[str]:
        """Names inside a zip file; empty if it is none.

        Raises:
            ModelRefusedError: it is damaged or holds too much.
        """
        if not self.head.startswith(b"PK\x03\x04"):
            return frozenset()
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            what = f"a damaged zip file ({error})"
            raise ModelRefusedError(what, where=self.path.name) from error
        if len(members) > MEMBERS or sum(member.file_size for member in members) > BYTES:
            raise ModelRefusedError("the zip file holds too much", where=self.path.name)
        return frozenset(member.filename for member in members)

    @cached_property
    def message(self) -> str | None:
        """Which protobuf message it is, see `protobuf_kind`."""
        return protobuf_kind(self.data)


@contextmanager
def peeking(path: Path) -> Iterator[Peek]:
    """Look into a file.

    Raises:
        ModelRefusedError: it is empty.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ModelRefusedError("the file is empty", where=path.name)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield Peek(path, data)
