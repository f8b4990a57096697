from __future__ import annotations

import threading
from typing import Any

from mlaas4hep.frameworks.onnx.watchdog import Watchdog


class Options:
    """As RunOptions: something with a flag; tells when it is set."""

    def __init__(self) -> None:
        self.flagged = threading.Event()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "terminate" and value:
            self.flagged.set()
        else:
            super().__setattr__(name, value)


def test_stops_what_is_late_only() -> None:
    dog = Watchdog()
    late, early, done = Options(), Options(), Options()
    dog.begin(done, 0.05)
    assert dog.end(done)
    dog.begin(early, 60)
    dog.begin(late, 0.05)
    assert late.flagged.wait(10)
    assert not dog.end(late)
    assert dog.end(early)
    assert not early.flagged.is_set()
    assert not done.flagged.is_set()


def test_wakes_up_again() -> None:
    dog = Watchdog()
    for _ in range(3):
        options = Options()
        dog.begin(options, 0.01)
        assert options.flagged.wait(10)
        dog._asleep = True  # as after a while without runs
