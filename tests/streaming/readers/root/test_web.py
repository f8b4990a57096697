"""Reads from a web server that goes silent: closing the file, or a stop, ends them in whatever thread they are."""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlaas4hep.streaming.readers.root.web import WebSource
from mlaas4hep.streaming.remote.waiting import hang_up, wait_again


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server
    wait_again()


@pytest.mark.parametrize("end", ["close", "stop"])
@pytest.mark.parametrize("parts", [1, 3])
def test_reads_of_all_threads_end(silent: socket.socket, end: str, parts: int) -> None:
    """With the words of the closed file, not those of a time-out."""
    source = WebSource(f"http://127.0.0.1:{silent.getsockname()[1]}/events.root", timeout=600)

    def read(start: int) -> bytes:
        if parts == 1:
            return bytes(source.chunk(start, start + 10).raw_data)
        found = source.chunks([(start + 100 * i, start + 100 * i + 10) for i in range(parts)], queue.Queue())
        return b"".join(bytes(chunk.raw_data) for chunk in found)

    with ThreadPoolExecutor(4) as threads:
        reads = [threads.submit(read, start) for start in range(4)]
        connections = [silent.accept()[0] for _ in reads]
        endings: dict[str, Callable[[], object]] = {"close": source.close, "stop": hang_up}
        endings[end]()
        for one in reads:
            with pytest.raises(OSError, match="closed"):
                one.result()
    with pytest.raises(OSError, match="closed"):
        source.chunk(0, 10)
    for connection in connections:
        connection.close()


def test_a_source_opened_after_a_stop_reads_nothing(silent: socket.socket) -> None:
    hang_up()
    source = WebSource(f"http://127.0.0.1:{silent.getsockname()[1]}/events.root", timeout=600)
    with pytest.raises(OSError, match="closed"):
        source.chunk(0, 10)
    source.close()
