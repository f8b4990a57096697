"""What XGBoost keeps of every event while it trains, in memory and on disk, and whether that fits."""

from __future__ import annotations

from typing import Any

from mlaas4hep.errors import MemoryLimitError
from mlaas4hep.training.backends.base import FitSettings
from mlaas4hep.training.events.base import Events
from mlaas4hep.training.events.memory import size_text

__all__ = ["check_streamed", "fits_in_arrays", "page_rows", "room_on_disk"]

_TRAIN, _TRAIN_SCORE = 40, 16
_VALIDATION, _VALIDATION_SCORE = 8, 8
"""Bytes of an event, and more for each score it gets, measured: target, weight, predictions, gradients, and for
training events their place in the tree, with room to sort them into the next level."""

_LOADED = 28
"""Bytes beside the columns of an event that is loaded: target, weights, file and entry."""

_NODE = 8192
"""Bytes that sorting takes for each node of the last level, in each page."""

_ON_DISK, _APPROX_ON_DISK = 6.5, 16.5
"""Bytes of a value in external memory, measured: at most 6.1 (with missing values and 1024 bins; 2.4 without missing
values and with 256 bins) and with `tree_method="approx"` 15.7."""

_LEAST_ON_DISK = 2**18
"""Bytes of files without values."""

_LEAST_PAGE, _MOST_PAGE, _PAGE_VALUES = 10_000, 1 << 17, 1 << 21


def page_rows(width: int) -> int | None:
    """Return events of a page of external memory, from the number of columns alone; None: as many as a chunk has.

    Each page costs memory of its own for every node of a tree, and time: events with few columns get large pages.
    """
    rows = min(_MOST_PAGE, _PAGE_VALUES // max(1, width))
    return rows if rows > _LEAST_PAGE else None


def fits_in_arrays(model: Any, train: Events, validation: Events, settings: FitSettings) -> bool:
    """Return true if the events of both parts can be given to the model as arrays, which it copies."""
    if not train.fits():
        return False
    columns = (2 * 4 * train.width + _LOADED) * (train.size + validation.size)
    limit = settings.memory_limit
    return limit is None or columns + _kept(model, train, validation, settings.classes, train.size) <= limit


def check_streamed(model: Any, train: Events, validation: Events, settings: FitSettings) -> None:
    """Refuse what does not fit although the columns of the events stay on disk.

    Half of the limit is for reading and chunks, as with every training.

    Raises:
        MemoryLimitError: with the limit that would do.
    """
    limit = settings.memory_limit
    if limit is None:
        return
    need = _kept(model, train, validation, settings.classes, page_rows(train.width) or _LEAST_PAGE)
    if need <= limit // 2:
        return
    raise MemoryLimitError(
        f"XGBoost keeps {size_text(need)} in memory for the {train.size} training and {validation.size} validation "
        f"events while it trains, besides their columns, which stay on disk; "
        f"half of the limit is {size_text(limit // 2)}",
        hint=f"set memory_limit to {-(-2 * need // 10**6)} MB or more, or use fewer events (nevts)",
    )


def room_on_disk(model: Any, train: Events, validation: Events) -> int:
    """Return the bytes that the external memory of both parts may take on disk."""
    value = _APPROX_ON_DISK if model.tree_method == "approx" else _ON_DISK
    return _LEAST_ON_DISK + int(value * (train.size + validation.size) * train.width)


def _kept(model: Any, train: Events, validation: Events, classes: int, page: int) -> int:
    scores = classes if classes > 2 else 1
    if getattr(model, "grow_policy", None) == "lossguide":
        nodes = 1
    else:
        depth = 6 if model.max_depth is None else int(model.max_depth)
        nodes = min(2 ** max(0, min(depth or 30, 30) - 1), page)
    pages = -(-train.size // max(1, page))
    return (
        train.size * (_TRAIN + _TRAIN_SCORE * scores)
        + validation.size * (_VALIDATION + _VALIDATION_SCORE * scores)
        + pages * nodes * _NODE
    )
