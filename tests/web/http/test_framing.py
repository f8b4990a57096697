"""What stands around the bytes of a body has limits, wherever the pieces are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.web.http.framing import LARGEST, STEP, Framing

PIECES = st.lists(st.tuples(st.integers(1, STEP), st.booleans()), max_size=120)


@given(pieces=PIECES)
def test_between_two_parts_of_a_body_there_are_64_kib(pieces: list[tuple[int, bool]]) -> None:
    """A piece without a byte of the body adds to what stands between two parts; one with some begins anew."""
    framing, between, around, inside, refused = Framing(), 0, 0, 0, False
    framing.body_begins(chunked=True)
    for number, (size, some) in enumerate(pieces):
        framing.piece = size
        part = size // 2 if some else 0
        framing.inside += part
        inside, around = inside + part, around + size
        between = 0 if part or number == 0 else between + size
        refused = framing.chunks_too_large()
        assert refused is (between > LARGEST or around > LARGEST + 16 * inside)
    assert not framing.head_too_large()


@given(pieces=PIECES)
def test_a_body_of_known_length_has_nothing_around_it(pieces: list[tuple[int, bool]]) -> None:
    framing = Framing()
    framing.body_begins(chunked=False)
    for size, _ in pieces:
        framing.piece = size
        assert not framing.chunks_too_large()
