from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.training.backends.passes import passes
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings


def test_standard_order_goes_over_all_events_in_the_events_own_order(tmp_path: Path) -> None:
    events = MemoryEvents(make_sample(130))
    parts = list(passes(events, fit_settings(tmp_path, epochs=3)))
    assert [(part.number, part.size) for part in parts] == [(0, 130), (1, 130), (2, 130)]
    for part in parts:
        seen = list(part.batches())
        assert [len(batch) for batch in seen] == [64, 64, 2]
        expected = list(events.batches(64, part.number))
        assert all((a.x == b.x).all() for a, b in zip(seen, expected, strict=True))
    assert parts[1].place(70) == (1, 70)


@given(events=st.integers(1, 60), size=st.integers(1, 20), order=st.sampled_from(["standard", "chunk"]))
def test_no_batch_holds_one_event_only_and_none_is_lost(events: int, size: int, order: str) -> None:
    settings = fit_settings(Path("unused"), epochs=1, batch_size=size, order=order)
    sample = MemoryEvents(make_sample(events), chunk_size=25)
    for part in passes(sample, settings):
        seen = list(part.batches())
        assert len(seen) == part.steps()
        lengths = [len(batch) for batch in seen]
        assert sum(lengths) == part.size
        assert all(length == size for length in lengths[:-1])
        assert 1 not in lengths or size == 1 or part.size == 1
        assert part.even() == (lengths[-1] <= size)


def test_ten_epochs_by_default(tmp_path: Path) -> None:
    assert len(list(passes(MemoryEvents(make_sample(10)), fit_settings(tmp_path)))) == 10


@given(size=st.integers(1, 40), chunk=st.integers(1, 17), epochs=st.integers(1, 3), shuffle=st.booleans())
def test_chunk_order_trains_all_epochs_on_one_chunk(size: int, chunk: int, epochs: int, shuffle: bool) -> None:
    events = MemoryEvents(make_sample(size), chunk_size=chunk)
    settings = fit_settings(Path("unused"), epochs=epochs, order="chunk", shuffle=shuffle, batch_size=5)
    chunks = list(events.chunks(0))
    parts = list(passes(events, settings))
    assert [part.number for part in parts] == list(range(len(chunks) * epochs))
    for part in parts:
        own = chunks[part.number // epochs]
        x = np.concatenate([batch.x for batch in part.batches()])
        assert sorted(map(tuple, x)) == sorted(map(tuple, own.x))
        if not shuffle:
            assert (x == own.x).all()
    assert parts[-1].place(parts[-1].size) == (epochs, 0)
    assert parts[0].place(1) == divmod(1, size)


@pytest.mark.parametrize("order", ["standard", "chunk"])
def test_beginning_later_gives_the_same_passes(tmp_path: Path, order: str) -> None:
    events = MemoryEvents(make_sample(100), chunk_size=40)
    settings = fit_settings(tmp_path, epochs=4, order=order)
    everything = list(passes(events, settings))
    for first in (1, 3, 4, 5):
        rest = list(passes(events, settings, first))
        assert [part.number for part in rest] == [part.number for part in everything[first:]]
        for a, b in zip(rest, everything[first:], strict=True):
            assert all((i.x == j.x).all() for i, j in zip(a.batches(), b.batches(), strict=True))
            assert a.place(7) == b.place(7)
