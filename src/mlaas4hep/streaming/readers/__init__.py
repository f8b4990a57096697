"""One reader a file format, all behind the protocol `Source`."""

from __future__ import annotations

from mlaas4hep.streaming.readers.base import Branch, Kind, Source
from mlaas4hep.streaming.readers.factory import open_source

__all__ = ["Branch", "Kind", "Source", "open_source"]
