"""Double32_t and Float16_t, which may be stored as integers within a range that the title of the leaf gives.

For uproot the first brackets of a title are the range, also if they are the size of an array, as in
``x[n]/d[0,200,20]``; then it takes the integers for floats.
"""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["lost_range", "put_right", "ranged_type"]

_LEAVES = {"TLeafF16": "Float16_t", "TLeafD32": "Double32_t"}
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_ANGLES = {"pi": math.pi, "2pi": 2 * math.pi, "2*pi": 2 * math.pi, "twopi": 2 * math.pi} | {
    f"pi/{parts}": math.pi / parts for parts in (2, 4)
}
_FEWEST_BITS, _MOST_BITS = 2, 32


def ranged_type(tbranch: Any) -> str | None:
    """Return the type of a branch in words, if it is one of the two."""
    leaves = tbranch.member("fLeaves")
    name = _LEAVES.get(leaves[0].classname) if len(leaves) == 1 else None
    if name is None:
        return None
    return f"lists of {name}" if leaves[0].member("fLeafCount") is not None else name


def lost_range(tbranch: Any) -> str | None:
    """Return why a branch of one of the two types cannot be read; None if it can."""
    import uproot

    if len(tbranch.member("fLeaves")) != 1:
        return None
    kind, title = _kind_and_title(tbranch)
    brackets = _BRACKETS.findall(title)
    if kind is None or not brackets:
        return None
    try:
        found = put_right(tbranch)
        found = tbranch.interpretation if found is None else found
    except Exception:
        return f"uproot reads no arrays of {kind}"
    found = found.content if isinstance(found, uproot.interpretation.jagged.AsJagged) else found
    numerical = uproot.interpretation.numerical
    if isinstance(found, numerical.AsDouble32 | numerical.AsFloat16) or not any("," in inner for inner in brackets):
        return None
    return f"uproot does not find the range of its {kind}"


def _kind_and_title(tbranch: Any) -> tuple[str | None, str]:
    """Which of the two types a branch of one leaf has (None: neither), and the title with the range."""
    leaf = tbranch.member("fLeaves")[0]
    if leaf.classname == "TLeafElement" and tbranch.streamer is not None:
        typename, title = (str(getattr(tbranch.streamer, part, "")) for part in ("typename", "title"))
        return next((name for name in _LEAVES.values() if name in typename), None), title
    return _LEAVES.get(leaf.classname), str(leaf.member("fTitle"))


def put_right(tbranch: Any) -> Any:
    """An interpretation for lists and arrays of Double32_t with a range; None if uproot's will do, or none is known."""
    import uproot

    leaves = tbranch.member("fLeaves")
    if len(leaves) != 1 or leaves[0].classname != "TLeafD32":
        return None
    brackets = _BRACKETS.findall(str(leaves[0].member("fTitle")))
    if len(brackets) < 2 or "," in brackets[0] or "," not in brackets[-1]:
        return None
    parts = [_number(part) for part in brackets[-1].split(",")]
    sizes = tuple(int(size) for size in brackets[:-1] if size.isdecimal())
    low, high, bits = (*parts, _MOST_BITS) if len(parts) == 2 else (*parts, None, None, None)[:3]
    if low is None or high is None or bits is None or not low < high or not float(bits).is_integer():
        return None
    bits = int(bits) if _FEWEST_BITS <= bits <= _MOST_BITS else _MOST_BITS
    content = uproot.interpretation.numerical.AsDouble32(low, high, bits, sizes)
    counted = leaves[0].member("fLeafCount") is not None
    return uproot.interpretation.jagged.AsJagged(content) if counted else content


def _number(text: str) -> float | None:
    word = text.strip().lower()
    sign = -1.0 if word.startswith("-") else 1.0
    word = word.removeprefix("-").strip()
    if word in _ANGLES:
        return sign * _ANGLES[word]
    try:
        return sign * float(word)
    except ValueError:
        return None
