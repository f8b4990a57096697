"""What stands around the bytes of a chunked body has limits, wherever the pieces are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.web.http.framing import LARGEST, STEP, Chunks


@given(pieces=st.lists(st.tuples(st.integers(1, STEP), st.booleans()), max_size=120))
def test_between_two_parts_of_a_body_there_are_64_kib(pieces: list[tuple[int, bool]]) -> None:
    """A piece without a byte of the body adds to what stands between two parts; one with some begins anew."""
    chunks, between, around, inside = Chunks(), 0, 0, 0
    for number, (size, some) in enumerate(pieces):
        part = size // 2 if some else 0
        inside, around = inside + part, around + size
        between = 0 if part or number == 0 else between + size
        assert chunks.too_large(size, inside) is (between > LARGEST or around > LARGEST + 16 * inside)
