"""Tokens: where they are found, and what is read of them without trust."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.credentials import bearer
from tests.support.grid import unsigned_token

NAME = f"bt_u{os.getuid()}"


def test_what_a_token_says_of_itself(monkeypatch: pytest.MonkeyPatch, bare: Path) -> None:
    assert bearer.find() is None
    (bare / NAME).touch(mode=0o600)
    (bare / NAME).write_text(unsigned_token(exp=1_700_000_000, iss="https://iam.example.org/"))
    found = bearer.find()
    assert found is not None
    assert (found.place, found.expires, found.about) == (
        str(bare / NAME),
        1.7e9,
        "issued by https://iam.example.org/",
    )
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(bare / NAME))
    found = bearer.find()
    assert found is not None
    assert found.place == f"BEARER_TOKEN_FILE={bare / NAME}"
    monkeypatch.setenv("BEARER_TOKEN", "opaque")
    found = bearer.find()
    assert found is not None
    assert (found.place, found.expires, found.problem) == ("BEARER_TOKEN", None, None)


def test_a_renewed_file_is_read_anew(bare: Path) -> None:
    for expires in (time.time() - 5, time.time() + 500):
        (bare / NAME).write_text(unsigned_token(exp=expires))
        found = bearer.find()
        assert found is not None
        assert found.expires == expires


def test_a_file_that_others_may_read(bare: Path) -> None:
    """XRootD's client takes no notice of it, without a word."""
    (bare / NAME).write_text(unsigned_token(exp=time.time() + 500))
    for mode, problem in ((0o644, True), (0o640, True), (0o600, False), (0o400, False)):
        (bare / NAME).chmod(mode)
        found = bearer.find()
        assert found is not None
        assert (found.exposed is not None) == problem


def test_files_without_a_token(monkeypatch: pytest.MonkeyPatch, bare: Path) -> None:
    (bare / NAME).write_text("\n")
    found = bearer.find()
    assert found is not None
    assert found.problem == "the file is empty"
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(bare / "gone"))
    found = bearer.find()
    assert found is not None
    assert found.problem == "the token cannot be read (No such file or directory)"


@given(st.text() | st.binary(max_size=60).map(lambda data: f"a.{data.hex()}.b") | st.just("a.bnVsbA.c"))
def test_nothing_is_read_of_what_is_no_token(text: str) -> None:
    assert bearer.claims(text) == {}


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_claims_are_read(claims: dict[str, object]) -> None:
    assert bearer.claims(unsigned_token(**claims)) == claims


@pytest.mark.parametrize("expires", ["soon", None, True, [1]])
def test_an_end_that_is_no_number(expires: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEARER_TOKEN", unsigned_token(exp=expires))
    found = bearer.find()
    assert found is not None
    assert found.expires is None
