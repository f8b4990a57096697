"""The split: by event alone, in the right shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.config import Split
from mlaas4hep.features.split import TEST, TRAIN, VALIDATION, identity_hash, parts_of

MASK = (1 << 64) - 1


def mixed(x: int) -> int:
    """SplitMix64's finaliser in plain Python."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def test_hash_is_splitmix64_chained() -> None:
    run, event = np.array([1, 2], dtype=np.uint32), np.array([7, -7], dtype=np.int64)
    start = int(identity_hash([np.zeros(1, np.int64)], 3)[0])
    hashes = identity_hash([run, event], 3)
    gamma = 0x9E3779B97F4A7C15
    import hashlib

    state = int.from_bytes(hashlib.blake2b(b"3", digest_size=8).digest(), "little")
    assert start == mixed((state + gamma) & MASK)
    for i in range(2):
        value = mixed((state + gamma + int(run[i])) & MASK)
        value = mixed((value + gamma + int(event[i])) & MASK)
        assert int(hashes[i]) == value


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=50), st.integers(0, 50), st.integers(0, 9))
def test_every_event_is_hashed_by_itself(numbers: list[int], cut: int, seed: int) -> None:
    values = np.array(numbers, dtype=np.int64)
    whole = identity_hash([values], seed, file="f")
    parts = [identity_hash([part], seed, file="f") for part in (values[:cut], values[cut:])]
    assert np.array_equal(np.concatenate(parts), whole)


def test_integer_types_do_not_matter() -> None:
    hashes = [identity_hash([np.array([3, 200], dtype=dtype)], 0) for dtype in ("u1", "i4", "u4", "i8", "u8")]
    assert all(np.array_equal(hashes[0], other) for other in hashes[1:])


def test_shares_and_independence() -> None:
    entries = np.arange(200_000)
    split = Split(validation=0.3, test=0.1)
    parts = parts_of(identity_hash([entries], 0, file="a"), split)
    for part, share in ((TRAIN, 0.6), (VALIDATION, 0.3), (TEST, 0.1)):
        # Binomial: five standard deviations.
        assert np.mean(parts == part) == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / len(entries)))
    other = parts_of(identity_hash([entries], 1, file="a"), split)
    both = np.mean((parts == TRAIN) & (other == TRAIN))
    assert both == pytest.approx(0.36, abs=5 * np.sqrt(0.36 * 0.64 / len(entries)))
    elsewhere = identity_hash([entries], 0, file="b")
    assert not np.any(elsewhere == identity_hash([entries], 0, file="a"))


def test_growing_the_test_share_keeps_its_events() -> None:
    hashes = identity_hash([np.arange(1000)], 0)
    small = parts_of(hashes, Split(validation=0.1, test=0.1)) == TEST
    large = parts_of(hashes, Split(validation=0.1, test=0.2)) == TEST
    assert np.all(large[small])


def test_no_test_and_no_validation_is_all_training() -> None:
    assert np.all(parts_of(identity_hash([np.arange(100)], 0), Split(validation=0.0, test=0.0)) == TRAIN)


@given(
    st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=30),
    st.sampled_from(["f4", "f8", "i1", "i4", "u4", "i8", "u8", "?"]),
)
def test_a_whole_number_is_the_same_event_whatever_its_type(numbers: list[int], dtype: str) -> None:
    """An identifier is an integer in one file and a double in another: the event stays in its part of the split."""
    for number in numbers:
        with np.errstate(all="ignore"):
            try:
                stored = np.array([number]).astype(dtype)
            except OverflowError:
                continue
        if int(stored[0]) != number:
            continue
        whole = np.array([number], dtype=np.uint64 if number >= 2**63 else np.int64)
        assert np.array_equal(identity_hash([stored], 1), identity_hash([whole], 1))


def test_numbers_that_are_not_whole_stay_apart() -> None:
    values = np.array([0.5, 1.0, 1.5, np.nan, np.inf, -np.inf, 1e300, -1e300, 2.0**64, -0.0])
    assert len(set(identity_hash([values], 0).tolist())) == len(values)
    assert identity_hash([np.array([-0.0])], 0) == identity_hash([np.array([0])], 0)
