"""Several runs in one folder."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.streaming.cache import Cache
from mlaas4hep.streaming.cache.filesystem import boot
from tests.streaming.cache.contents import KEY, OTHER, SHAPE, arrays, fill, same, whole

ROOT = Path(__file__).parents[3]
RUN = """
import sys
from mlaas4hep.streaming.cache import Cache
from tests.streaming.cache.contents import KEY, SHAPE, fill, whole

cache = Cache(sys.argv[1], 10**6, lambda _: None)
print("ready", flush=True)
sys.stdin.readline()
writer = cache.create(KEY, SHAPE)
print("writes" if writer else "goes on", flush=True)
sys.stdin.readline()
if writer:
    fill(writer)
print(whole(cache.open(KEY, SHAPE)), flush=True)
sys.stdin.readline()
print(whole(cache.open(KEY, SHAPE)), flush=True)
"""


def test_of_two_processes_one_writes(folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN, str(folder)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:

        def step(process: subprocess.Popen[str]) -> None:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

        def answer(process: subprocess.Popen[str]) -> str:
            assert process.stdout is not None
            return process.stdout.readline().strip()

        assert [answer(one), answer(other)] == ["ready", "ready"]
        step(one)
        step(other)
        answers = {answer(one): one, answer(other): other}
        assert set(answers) == {"writes", "goes on"}
        step(answers["goes on"])
        assert answer(answers["goes on"]) == "False"
        step(answers["writes"])
        assert answer(answers["writes"]) == "True"
        step(answers["goes on"])
        assert answer(answers["goes on"]) == "True"
        step(answers["writes"])
        assert answer(answers["writes"]) == "True"
    assert sorted(path.name for path in folder.iterdir()) == [f"{KEY}.blocks", "CACHEDIR.TAG"]


def test_the_other_run_is_told_why_it_does_not_write(new_cache: Callable[..., Cache], said: list[str]) -> None:
    cache = new_cache()
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    with writer:
        assert new_cache().create(KEY, SHAPE) is None
        assert f"another run is writing {KEY}.blocks; this one continues without it" in said[-1]
        fill(writer)
    assert new_cache().create(KEY, SHAPE) is None
    assert f"{KEY}.blocks exists already" in said[-1]
    fill(cache.create(OTHER, SHAPE))


def test_an_entry_that_is_not_finished_is_not_kept(cache: Cache, folder: Path) -> None:
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    writer.write(0, arrays(SHAPE, 0))
    del writer
    gc.collect()
    assert [path.name for path in folder.iterdir()] == ["CACHEDIR.TAG"]
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    with pytest.raises(ZeroDivisionError), writer:
        raise ZeroDivisionError
    assert not writer.write(0, arrays(SHAPE, 0))
    assert writer.read(0) is None
    assert [path.name for path in folder.iterdir()] == ["CACHEDIR.TAG"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # threads of other tests
def test_a_forked_child_neither_writes_nor_removes(cache: Cache, folder: Path) -> None:
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    with writer:
        assert writer.write(0, arrays(SHAPE, 0))
        child = os.fork()
        if not child:
            code = 1
            try:
                code = 2 * writer.write(2, arrays(SHAPE, 2)) + (not same(writer.read(0), SHAPE, 0))
                writer.close()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert len(list(folder.glob("*.partial"))) == 1
        for number in (2, 3):
            assert writer.write(number, arrays(SHAPE, number))
        assert writer.published
    assert whole(cache.open(KEY, SHAPE))


def test_without_locks_only_old_files_are_left_over(
    folder: Path, new_cache: Callable[..., Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    one, other = new_cache().create(KEY, SHAPE), new_cache().create(KEY, SHAPE)
    assert one is not None
    with one:
        fill(other)  # both write, under names of their own, the same content
        fill(one)
    assert whole(new_cache().open(KEY, SHAPE))
    young, old = (folder / f"{OTHER}.blocks.{boot()}-{digit * 16}.partial" for digit in "12")
    young.write_bytes(b"")
    old.write_bytes(b"")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    new_cache()
    assert young.exists()
    assert not old.exists()


def test_files_of_another_machine_are_left_over_after_a_day(
    folder: Path, new_cache: Callable[..., Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_cache()
    here, there = (folder / f"{KEY}.blocks.{where}-{'1' * 16}.partial" for where in (boot(), "00000001"))
    monkeypatch.setattr("mlaas4hep.streaming.cache.folder.is_network", lambda _: True)
    for path in (here, there):
        path.write_bytes(b"")
    new_cache()
    assert [here.exists(), there.exists()] == [False, True]
    os.utime(there, (1, 1))
    new_cache()
    assert not there.exists()


def test_other_processes_can_open_by_name(cache: Cache, folder: Path) -> None:
    fill(cache.create(KEY, SHAPE))
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(_opens, (str(folder),))


def _opens(folder: str) -> bool:
    return whole(Cache(folder, 10**6, pytest.fail).open(KEY, SHAPE))
