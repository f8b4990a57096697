"""Feature blocks and results of first passes on disk, found again by what decides their content.

A folder may be shared by several runs. Any file in it may be deleted at any time: what is not there, or not as it was
written, is made again. No fault of the cache ends a run, and none gives wrong data.
"""

from mlaas4hep.streaming.cache.blocks import Arrays
from mlaas4hep.streaming.cache.entry import Entry
from mlaas4hep.streaming.cache.key import Json, content_key
from mlaas4hep.streaming.cache.shape import Shape
from mlaas4hep.streaming.cache.store import Cache
from mlaas4hep.streaming.cache.writer import Writer

__all__ = ["Arrays", "Cache", "Entry", "Json", "Shape", "Writer", "content_key"]
