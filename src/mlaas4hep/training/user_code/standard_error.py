"""What compiled libraries write to standard error, which no redirection within Python reaches."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

__all__ = ["EVERYTHING", "without_text"]

EVERYTHING = re.compile(rb".+", re.DOTALL)


@contextmanager
def without_text(pattern: re.Pattern[bytes]) -> Iterator[None]:
    """Drop what fits the pattern from all that the process writes to its standard error in the block.

    The rest is written when the block ends, however it ends; where that cannot be done, nothing is held back.
    """
    with ExitStack() as stack:
        try:
            kept = stack.enter_context(tempfile.TemporaryFile())
            own = os.dup(2)
        except OSError:  # no place for files, or no standard error
            yield
            return
        stack.callback(_give_back, own, kept, pattern)
        sys.stderr.flush()
        os.dup2(kept.fileno(), 2)
        yield


def _give_back(own: int, kept: IO[bytes], pattern: re.Pattern[bytes]) -> None:
    """Standard error as it was, with what was written meanwhile."""
    sys.stderr.flush()
    os.dup2(own, 2)
    os.close(own)
    kept.seek(0)
    text = pattern.sub(b"", kept.read())
    while text:
        text = text[os.write(2, text) :]
