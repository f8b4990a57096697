"""Children that answer, refuse, fail, die and are late, in the sandbox that this machine has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from mlaas4hep.sandbox.process import ChildError, ChildProcess, ask_once

MODULE = """
import os, signal, sys, time
from mlaas4hep.errors import OutputError
from mlaas4hep.sandbox.child import Loaded

def first(question):
    what = question["do"]
    if what == "load":
        return Loaded({"ready": True}, lambda question, arrays: ({"n": question["n"]}, {"twice": 2 * arrays["x"]}))
    if what == "refuse":
        raise OutputError("it is not one", where="file.root")
    if what == "fail":
        raise ValueError("odd\\nand more")
    if what == "fill":
        return {"size": len(bytearray(1 << 40))}
    if what == "abort":
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'")
        os.abort()
    if what == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "sleep":
        time.sleep(1000)
    if what == "shout":
        os.write(1, b"hello")
    return {"said": what, "secret": os.environ.get("SECRET"), "more": os.environ.get("MORE")}
"""
OPTIONS: dict[str, Any] = {"threads": 1, "memory": 4 << 30}
PLACE = "mlaas4hep_child_of_a_test:first"


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlaas4hep_child_of_a_test.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("SECRET", "password")


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    process = ChildProcess(PLACE, **OPTIONS)
    yield process
    process.kill()


def once(what: str, seconds: float = 60, **options: Any) -> dict[str, Any]:
    return asyncio.run(ask_once(PLACE, {"do": what}, seconds=seconds, **OPTIONS, **options))


def test_one_question() -> None:
    assert once("shout") == {"said": "shout", "secret": None, "more": None}
    assert once("speak", variables={"MORE": "1"}) == {"said": "speak", "secret": None, "more": "1"}


def test_what_was_loaded_answers_all_later_questions(child: ChildProcess) -> None:
    assert child.ask({"do": "load"}, seconds=60) == ({"ready": True}, {})
    for number in range(3):
        answer, arrays = child.ask({"n": number}, {"x": np.array([1.5, number])}, seconds=None)
        assert answer == {"n": number}
        np.testing.assert_array_equal(arrays["twice"], [3.0, 2 * number])


@pytest.mark.parametrize(
    ("what", "kind", "text", "raised"),
    [
        ("refuse", "refused", "file.root: it is not one", ""),
        ("fail", "failed", "odd", "ValueError"),
        ("fill", "memory", "memory", ""),
    ],
)
def test_a_child_that_says_what_is_wrong_lives(
    child: ChildProcess, what: str, kind: str, text: str, raised: str
) -> None:
    with pytest.raises(ChildError, match=text) as caught:
        child.ask({"do": what}, seconds=60)
    assert (caught.value.kind, caught.value.type) == (kind, raised)
    assert child.ask({"do": "speak"}, seconds=60)[0]["said"] == "speak"


@pytest.mark.parametrize(
    ("what", "seconds", "kind", "text"),
    [("die", 60, "died", "SIGSEGV"), ("abort", 60, "memory", "memory"), ("sleep", 1, "late", "1 s")],
)
def test_a_child_that_gives_no_answer(what: str, seconds: float, kind: str, text: str) -> None:
    with pytest.raises(ChildError, match=text) as caught:
        once(what, seconds)
    assert caught.value.kind == kind


def test_no_child_outlives_a_cancellation() -> None:
    def children() -> set[int]:
        return {process.pid for process in psutil.Process().children(recursive=True)}

    async def cancelled() -> None:
        task = asyncio.create_task(ask_once(PLACE, {"do": "sleep"}, seconds=600, **OPTIONS))
        while not children() - before:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = children()
    asyncio.run(cancelled())
    assert children() <= before
