"""One run at a time for one place: a lock that ends with its process, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlaas4hep.atomic.files import output_error
from mlaas4hep.atomic.locks import try_lock
from mlaas4hep.atomic.scratch import fitting, sweep
from mlaas4hep.atomic.through import final
from mlaas4hep.errors import OutputError

__all__ = ["alone"]


@contextmanager
def alone(destination: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Be the only run that writes to a place; what killed runs left there is removed first.

    The lock is on a hidden file beside the destination, which is removed at the end.

    Args:
        destination: the output.
        tell: told if the file system knows no locks, so that nothing prevents a second run.

    Raises:
        OutputError: another run is writing there; the message names its process, its machine and its start.
    """
    place = final(destination)
    file = place.with_name(fitting(place.name, ".", ".lock"))
    made = [folder for folder in file.parents if not folder.exists()]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(file, destination, tell)
    except OSError as error:
        raise output_error(error, destination) from error
    try:
        os.ftruncate(descriptor, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        about = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        with suppress(OSError):  # a full disk: the lock holds all the same
            os.pwrite(descriptor, json.dumps(about).encode(), 0)
        sweep(place.parent, place.name)
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        with suppress(OSError):  # a forked child may keep the file open
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
        for folder in made:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def _locked(file: Path, destination: Path, tell: Callable[[str], None]) -> int:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        ours = try_lock(descriptor)
        if ours is False:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise OutputError(
                f"another run is writing there ({holder})",
                where=str(destination),
                hint="wait until it ends, or choose another name",
            )
        if ours is None:
            told = f"this file system has no locks; do not start a second run that writes to {destination}"
            tell(f"{file.parent}: {told}")
        try:
            if file.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # the one before has just ended and removed it


def _holder(descriptor: int) -> str:
    try:
        about = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {about['process']} on {about['host']}, since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has just begun"
