"""The monitor that keeps what it was told."""

from __future__ import annotations

import pytest

from mlaas4hep.streaming.monitor import Collector, Monitor


def test_keeps_notes_and_warnings() -> None:
    collector = Collector()
    monitor: Monitor = collector
    monitor.note("a cutflow")
    monitor.warn("look here")
    monitor.warn("and here")
    with monitor.stage("reading", 10) as advance:
        advance(3, "text")
        advance(7, "")
    assert collector.notes == ["a cutflow"]
    assert collector.warnings == ["look here", "and here"]


def test_an_error_leaves_a_stage() -> None:
    with pytest.raises(ZeroDivisionError), Collector().stage("reading", None, "files"):
        _ = 1 // 0
