"""Awkward arrays of branches that uproot interprets but, left alone, would now and then read wrongly.

Objects with TObject among their bases have two bytes more if others refer to them. uproot then takes the first bytes of
each for a header that it need not know, and what follows for members. Here such objects are read with all that ROOT
writes before the members, of which the first says how many bytes there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlaas4hep.streaming.readers.ttree.ranges import put_right

__all__ = ["interpretation_of", "part_of", "read_branch"]

_COUNT, _VERSION = "@instance_version", "@num_bytes"  # their first two: upper half of the count, lower half and version
_REFERENCE = "@pidf"
_FLAG = 0x40000000
_MORE = "some have an unusual size: other objects refer to them (TRef)"


def interpretation_of(tbranch: Any) -> Any:
    """Return what uproot makes of a branch, put right where that is needed."""
    found = put_right(tbranch)
    if found is not None:
        return found
    found = tbranch.interpretation
    strided = _strided(found)
    if strided is None:
        return found
    import uproot

    numbers = uproot.interpretation.numerical.AsDtype(strided.from_dtype, strided.to_dtype)
    if isinstance(found, uproot.interpretation.jagged.AsJagged):
        return uproot.interpretation.jagged.AsJagged(numbers, found.header_bytes)
    return numbers


def read_branch(tbranch: Any, start: int, stop: int) -> Any:
    """Some entries of a branch.

    Raises:
        ValueError: objects are not of the size that their class has.
    """
    strided = _strided(tbranch.interpretation)
    try:
        array = tbranch.array(
            interpretation_of(tbranch), entry_start=start, entry_stop=stop, array_cache=None, library="ak"
        )
    except ValueError as error:
        if strided is not None and "wrong number of bytes" in str(error):
            raise ValueError(_MORE) from error
        raise
    if strided is not None:
        _check(array, np.dtype(strided.from_dtype).itemsize)
    return array


def part_of(array: Any, part: tuple[str, ...]) -> Any:
    """Return a leaf, a member of objects, or of members of them, in an awkward array."""
    path = "/".join(part)
    if path in array.fields:
        return array[path]
    for name in part:
        array = array[name]
    return array


def _strided(interpretation: Any) -> Any:
    """The objects of a branch if they have TObject among their bases and one size; else None."""
    import uproot

    if isinstance(interpretation, uproot.interpretation.jagged.AsJagged):
        interpretation = interpretation.content
    if not isinstance(interpretation, uproot.interpretation.objects.AsStridedObjects):
        return None
    dtype = np.dtype(interpretation.from_dtype)
    names = dtype.names or ()
    return interpretation if names[:2] == (_COUNT, _VERSION) and _REFERENCE in names else None


def _check(array: Any, size: int) -> None:
    import awkward as ak

    upper, lower = (ak.to_numpy(ak.flatten(array[name], axis=None)).astype(np.int64) for name in (_COUNT, _VERSION))
    counts = ((upper << 16) | (lower >> 16)) - _FLAG
    if np.any(counts + 4 != size):
        raise ValueError(_MORE)
