"""A connection gives the bytes of the file through any faults that heal, and ends in time with those that do not."""

from __future__ import annotations

import errno
import io
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.readers.files import open_raw
from mlaas4hep.streaming.readers.root.remote import RemoteSource
from mlaas4hep.streaming.remote import policy
from mlaas4hep.streaming.remote.bytes import RemoteBytes
from mlaas4hep.streaming.remote.connection import Connection
from mlaas4hep.streaming.remote.errors import XRootDError
from mlaas4hep.streaming.remote.location import RemotePath, policy_of, replicas_of, resolve
from mlaas4hep.streaming.remote.transport import Arrived, Range
from mlaas4hep.streaming.remote.waiting import hang_up, wait_again

CONTENT = bytes(range(256)) * 400
QUICK = Remote(longest_pause=0.001, give_up_after=20.0, retries=200)
HEALING = [
    ConnectionResetError(errno.ECONNRESET, "reset"),
    TimeoutError(),
    XRootDError(SimpleNamespace(code=206, errno=0, message="")),
    XRootDError(SimpleNamespace(code=108, errno=111, message="")),
]
FINAL = [
    FileNotFoundError(errno.ENOENT, "gone"),
    PermissionError(errno.EACCES, "denied"),
    XRootDError(SimpleNamespace(code=400, errno=3011, message="")),
]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Hosts of one test are not remembered in the next."""
    yield
    policy.forget()


class Faulty:
    """A place of the file that fails as its script says: one entry an attempt to open or to read; then it works."""

    def __init__(self, script: Sequence[tuple[int, Exception] | None], content: bytes = CONTENT) -> None:
        self.script, self.content, self.opened = list(script), content, 0
        self.size: int | None = len(content)

    def next(self) -> tuple[int, Exception] | None:
        return self.script.pop(0) if self.script else None

    def open(self) -> None:
        self.opened += 1
        fault = self.next()
        if fault is not None:
            raise fault[1]

    def read(self, ranges: Sequence[Range], arrived: Arrived) -> None:
        fault = self.next()
        for number, (start, stop) in enumerate(ranges):
            if fault is not None and number >= fault[0]:
                raise fault[1]
            arrived(number, self.content[start:stop])
        if fault is not None:
            raise fault[1]

    def hang_up(self) -> None:
        pass

    def close(self) -> None:
        pass


def connected(places: dict[str, Faulty], remote: Remote = QUICK) -> Connection:
    first, *others = places
    return Connection(RemotePath(first, others, remote), lambda url: places[url])


faults = st.lists(st.none() | st.tuples(st.integers(0, 4), st.sampled_from(HEALING)), max_size=12)
ranges = st.lists(
    st.tuples(st.integers(0, len(CONTENT)), st.integers(0, 5000)).map(lambda pair: (pair[0], sum(pair))), max_size=6
)


@given(st.lists(faults, min_size=1, max_size=3), st.lists(ranges, min_size=1, max_size=3))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_bytes_are_those_of_the_file_whatever_heals(
    scripts: list[list[tuple[int, Exception] | None]], reads: list[list[Range]]
) -> None:
    opened = connected({f"root://host{n}//a": Faulty(script) for n, script in enumerate(scripts)})
    for wanted in reads:
        assert opened.read(wanted) == [CONTENT[start:stop] for start, stop in wanted]
    opened.close()


@given(st.lists(st.sampled_from(FINAL), min_size=1, max_size=3), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_does_not_heal_is_tried_once_at_each_place(errors: list[Exception], more: bool) -> None:
    places = {f"root://host{n}//a": Faulty([(0, error)] * 9) for n, error in enumerate(errors)}
    if more:
        places["root://other//a"] = Faulty([])
    opened = connected(places)
    if more:
        assert opened.read([(3, 9)]) == [CONTENT[3:9]]
    else:
        with pytest.raises(FileReadError) as caught:
            opened.read([(3, 9)])
        assert caught.value.where == "root://host0//a"
        assert caught.value.attempts == len(errors)
        assert all(f"root://host{n}:" in caught.value.what for n in range(1, len(errors)))
    assert [place.opened for place in places.values()] == [1] * len(places)


def test_only_what_has_not_arrived_is_asked_for_again() -> None:
    asked: list[list[Range]] = []

    class Counting(Faulty):
        def read(self, ranges: Sequence[Range], arrived: Arrived) -> None:
            asked.append(list(ranges))
            super().read(ranges, arrived)

    opened = connected({"root://host//a": Counting([None, (2, HEALING[0]), None, None])})
    wanted = [(0, 10), (20, 30), (40, 50), (60, 70)]
    assert opened.read(wanted) == [CONTENT[start:stop] for start, stop in wanted]
    assert asked == [wanted, wanted[2:]]


def test_retries_are_as_many_as_the_policy_says() -> None:
    place = Faulty([(0, HEALING[0])] * 50)
    opened = connected({"root://host//a": place}, QUICK.model_copy(update={"retries": 3}))
    with pytest.raises(FileReadError, match="tried 4 times") as caught:
        opened.read([(0, 1)])
    assert (caught.value.kind, caught.value.attempts, place.opened) == ("unreachable", 4, 4)


def test_a_file_that_was_given_up_stays_so() -> None:
    place = Faulty([(0, FINAL[0])])
    opened = connected({"root://host//a": place})
    for _ in range(3):
        with pytest.raises(FileReadError, match="no such file"):
            opened.read([(0, 1)])
    assert place.opened == 1


@pytest.mark.parametrize("other", [CONTENT[:-1], bytes(len(CONTENT))])
def test_another_file_is_not_taken_for_the_same(other: bytes) -> None:
    places = {
        "root://a//f": Faulty([None, None, (0, HEALING[0]), *[(0, HEALING[0])] * 99]),
        "root://b//f": Faulty([], other),
    }
    opened = connected(places, QUICK.model_copy(update={"retries": 5}))
    assert opened.read([(1, 100)]) == [CONTENT[1:100]]
    with pytest.raises(FileReadError, match="root://b: is another file than before"):
        opened.read([(100, 200)])


def test_a_replaced_file_is_not_read_on() -> None:
    place = Faulty([None, None, (0, HEALING[0])])
    opened = connected({"root://a//f": place})
    opened.read([(1, 100)])
    place.content = place.content[::-1]
    with pytest.raises(FileReadError, match="is another file than before") as caught:
        opened.read([(100, 200)])
    assert caught.value.kind == "corrupt"


def test_what_was_chosen_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            places = {"root://a//f": Faulty([(0, HEALING[0])] * 9), "root://b//f": Faulty([])}
            connected(places).read([(0, 9)])
    assert caplog.messages == ["root://a: the server cannot be reached; reading goes on from root://b"]


def test_a_host_that_failed_comes_last_for_the_next_file() -> None:
    places = {"root://a//f": Faulty([(0, HEALING[0])] * 9), "root://b//f": Faulty([])}
    connected(places).read([(0, 9)])
    connected(places).read([(0, 9)])
    assert [place.opened for place in places.values()] == [1, 2]


def test_files_of_a_host_that_was_given_up_are_tried_once() -> None:
    for wanted in (4, 1):
        place = Faulty([(0, HEALING[0])] * 50)
        with pytest.raises(FileReadError):
            connected({"root://a//f": place}, QUICK.model_copy(update={"retries": 3})).read([(0, 9)])
        assert place.opened == wanted


def test_no_message_holds_a_password(caplog: pytest.LogCaptureFixture) -> None:
    first, second = "root://me:secret@a//f?authz=secret", "root://me:secret@b//f?authz=secret"
    opened = connected({first: Faulty([(0, HEALING[0])] * 9), second: Faulty([(0, FINAL[0])])}, Remote(retries=0))
    with pytest.raises(FileReadError) as caught:
        opened.read([(0, 9)])
    opened.close()
    assert "secret" not in str(caught.value)
    with pytest.raises(OSError, match="is closed") as closed:
        connected_and_closed(first).read([(0, 9)])
    assert "secret" not in str(closed.value)
    assert caplog.messages
    assert not any("secret" in message for message in caplog.messages)


def connected_and_closed(url: str) -> Connection:
    opened = connected({url: Faulty([])})
    opened.close()
    return opened


def test_threads_share_one_connection() -> None:
    place = Faulty([None, *[(0, HEALING[1])] * 6])
    opened = connected({"root://host//a": place})
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: opened.read([(n, n + 50)])[0], range(0, 4000, 50)))
    assert b"".join(found) == CONTENT[:4000]
    assert place.opened <= 7


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server
    wait_again()


@pytest.mark.parametrize("end", ["close", "stop"])
def test_reads_of_all_threads_end(silent: socket.socket, end: str) -> None:
    """Whoever closes the file, or stops the command, waits for no server."""
    long = Remote(connection_timeout=600, request_timeout=600, stream_timeout=600)
    opened = RemoteSource.connect(RemotePath(f"http://127.0.0.1:{silent.getsockname()[1]}//events.root", (), long))
    with ThreadPoolExecutor(4) as threads:
        reads = [threads.submit(opened.read, [(start, start + 10)]) for start in range(4)]
        connection = silent.accept()[0]
        endings: dict[str, Callable[[], object]] = {"close": opened.close, "stop": hang_up}
        endings[end]()
        for one in reads:
            with pytest.raises(OSError, match="closed"):
                one.result()
    with pytest.raises(OSError, match="closed"):
        opened.read([(0, 10)])
    connection.close()


def test_a_file_opened_after_a_stop_reads_nothing(silent: socket.socket) -> None:
    hang_up()
    with pytest.raises(OSError, match="closed"):
        RemoteBytes(f"http://127.0.0.1:{silent.getsockname()[1]}/a.csv")


def test_paths_keep_places_and_policy() -> None:
    import pickle

    policy_of_one = Remote(retries=1)
    path = resolve("/store/a.root", ["root://a/", "https://b"], policy_of_one)
    for found in (path, pickle.loads(pickle.dumps(path))):
        assert replicas_of(found) == ("root://a//store/a.root", "https://b//store/a.root")
        assert policy_of(found) == policy_of_one
    assert replicas_of("root://h//a") == ("root://h//a",)


def test_raw_bytes_of_a_remote_file_can_be_sought(tmp_path: object) -> None:
    del tmp_path
    import fsspec

    with fsspec.open("memory://a.bin", "wb") as file:
        file.write(CONTENT)
    with open_raw("memory://a.bin") as raw:
        assert raw.seek(-5, io.SEEK_END) == len(CONTENT) - 5
        assert raw.read() == CONTENT[-5:]
        raw.seek(7)
        assert raw.read(9) == CONTENT[7:16]
