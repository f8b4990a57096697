"""One thread that ends runs of ONNX Runtime which take longer than they may."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

__all__ = ["Watchdog", "watchdog"]

TICK: Final = 0.02
IDLE_TICKS: Final = 50


class Watchdog:
    """Watches runs in flight, each known by its ``RunOptions``.

    A run costs two operations on a dict. The thread looks every 20 ms while there are runs, sleeps when there are none
    for a second, and starts with the first run. Runs end between two operators of the graph, so a single operator that
    takes long is not cut short.
    """

    def __init__(self) -> None:
        self._running: dict[Any, float] = {}
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._asleep = True
        self._thread: threading.Thread | None = None

    def begin(self, options: Any, timeout: float) -> None:
        """Set ``options.terminate`` in `timeout` seconds, unless `end` comes first."""
        self._running[options] = time.monotonic() + timeout
        if self._asleep:
            self._start()

    def end(self, options: Any) -> bool:
        """Say that the run is over. False if it was stopped: the options must then not be used again."""
        return self._running.pop(options, None) is not None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # a fork leaves the thread behind
                self._thread = threading.Thread(target=self._watch, name="mlaas4hep-watchdog", daemon=True)
                self._thread.start()
            self._asleep = False
            self._wake.set()

    def _watch(self) -> None:
        idle = 0
        while True:
            if idle >= IDLE_TICKS:
                self._wake.clear()
                self._asleep = True
                if not self._running:
                    self._wake.wait()
                self._asleep = False
                idle = 0
            time.sleep(TICK)
            idle = 0 if self._running else idle + 1
            now = time.monotonic()
            for options, deadline in self._running.copy().items():
                # Whoever takes the entry out owns the options: a run that has just ended is never hit.
                if now > deadline and self._running.pop(options, None) is not None:
                    options.terminate = True


watchdog: Final = Watchdog()
"""The one of this process."""
