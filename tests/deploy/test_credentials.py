"""The renewal of credentials, with a fake ``voms-proxy-init`` and tokens of a real OpenID provider."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from mlaas4hep.credentials import bearer, x509
from tests.support.bare_environment import NAMES, bare_environment
from tests.support.grid import Authority, Person, unsigned_token
from tests.support.issuer import Issuer

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "credentials" / "renew_credentials.py"
ASK = """
import base64, json, sys, urllib.parse, urllib.request
data = {"grant_type": "client_credentials", "resource": sys.argv[2], "scope": "models.read"}
secret = base64.b64encode(b"physicist:secret").decode()
body, head = urllib.parse.urlencode(data).encode(), {"authorization": "Basic " + secret}
asked = urllib.request.Request(sys.argv[1] + "/token", body, head)
print(json.load(urllib.request.urlopen(asked, timeout=10))["access_token"])
"""


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Authority(tmp_path_factory.mktemp("grid") / "certificates").person()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    made = Issuer(tmp_path_factory.mktemp("issuer") / "keys.json")
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return bare_environment(monkeypatch, tmp_path)


class Keeper:
    """Runs the script with the files of one test."""

    def __init__(self, folder: Path) -> None:
        self.proxy, self.token, self.alarms = folder / "proxy", folder / "token", folder / "alarms"
        self.next = folder / "next"
        self.settings: dict[str, str] = {"ALARM_COMMAND": f"tee -a {self.alarms}"}

    def start(self, what: str, **more: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if name not in NAMES}
        files = {"PROXY_FILE": str(self.proxy), "TOKEN_FILE": str(self.token)}
        environment: Mapping[str, str] = {**kept, **files, **self.settings, **more}
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), what],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, what: str, **more: str) -> tuple[int, str]:
        with self.start(what, **more) as process:
            out, err = process.communicate(timeout=120)
        assert "Traceback" not in err
        return process.returncode, out + err

    def fake_voms(self) -> None:
        """``voms-proxy-init`` that hands out the proxy that lies ready."""
        program = self.next.with_name("voms-proxy-init")
        program.write_text(f'#!/bin/sh\n[ "$1" = --out ] || exit 3\nexec cp {self.next} "$2"\n')
        program.chmod(0o755)
        self.settings["PROXY_COMMAND"] = f"{program} --out {{file}}"


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def left(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setenv("X509_USER_PROXY", str(keeper.proxy))
    found = x509.find()
    assert found is not None
    assert found.problem is None
    assert found.expires is not None
    return found.expires - time.time()


def test_a_proxy_is_made_and_renewed_when_it_ends_soon(
    keeper: Keeper, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.fake_voms()
    person.proxy(keeper.next, timedelta(hours=2))
    assert keeper.run("check") == (2, f"proxy: {keeper.proxy} has expired or is missing\n")
    assert keeper.run("once", PROXY_BEFORE="3600") == (0, "")
    assert 7000 < left(keeper, monkeypatch) < 7200
    assert keeper.proxy.stat().st_mode & 0o777 == 0o600
    person.proxy(keeper.next, timedelta(hours=24))
    assert keeper.run("once", PROXY_BEFORE="3600")[0] == 0
    assert left(keeper, monkeypatch) < 7200
    assert keeper.run("check", PROXY_BEFORE="7300")[0] == 1
    assert keeper.run("once", PROXY_BEFORE="7300")[0] == 0
    assert left(keeper, monkeypatch) > 80_000
    assert keeper.run("check")[0] == 0
    assert not keeper.alarms.exists()
    assert not list(keeper.proxy.parent.glob(".renewed*"))


def test_a_renewal_that_fails_keeps_the_old_one_and_alarms_once(keeper: Keeper, person: Person) -> None:
    keeper.fake_voms()
    person.proxy(keeper.proxy, timedelta(hours=1))
    before = keeper.proxy.read_bytes()
    for made in (None, timedelta(minutes=30), "rubbish"):
        if isinstance(made, timedelta):
            person.proxy(keeper.next, made)
        elif made is not None:
            keeper.next.write_text(made)
        code, said = keeper.run("once")
        assert code == 1
        assert f"error: the proxy in {keeper.proxy} is valid for 59 min" in said
        assert keeper.proxy.read_bytes() == before
    assert len(keeper.alarms.read_text().splitlines()) == 1
    person.proxy(keeper.next, timedelta(hours=12))
    assert keeper.run("once")[0] == 0
    person.proxy(keeper.proxy, timedelta(minutes=-5))
    keeper.next.unlink()
    code, said = keeper.run("once")
    assert code == 2
    assert "is not valid, and" in said
    assert len(keeper.alarms.read_text().splitlines()) == 2


def test_tokens_of_a_real_provider(keeper: Keeper, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    program = keeper.next.with_name("ask.py")
    program.write_text(ASK)
    audience = "http://models.example?ttl=900&alg=RS256"
    keeper.settings["TOKEN_COMMAND"] = f"{sys.executable} {program} {issuer.url} '{audience}'"
    assert keeper.run("once", TOKEN_BEFORE="600") == (0, "")
    assert keeper.token.stat().st_mode & 0o777 == 0o600
    first = keeper.token.read_text()
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(keeper.token))
    found = bearer.find()
    assert found is not None
    assert found.about == f"issued by {issuer.url}"
    assert keeper.run("once", TOKEN_BEFORE="600") == (0, "")
    assert keeper.token.read_text() == first
    keeper.token.write_text(unsigned_token(exp=time.time() + 60))
    assert keeper.run("once", TOKEN_BEFORE="600") == (0, "")
    assert bearer.claims(keeper.token.read_text())["iss"] == issuer.url


def test_the_loop_renews_until_it_is_stopped(keeper: Keeper, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.fake_voms()
    person.proxy(keeper.next, timedelta(hours=12))
    process = keeper.start("loop", PAUSE="0.05")
    try:
        for lifetime in (12, 24):
            person.proxy(keeper.next, timedelta(hours=lifetime))
            deadline = time.monotonic() + 60
            while not keeper.proxy.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            assert left(keeper, monkeypatch) > 3600
            keeper.proxy.unlink()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.parametrize("arguments", ["", "twice"])
def test_mistakes(keeper: Keeper, arguments: str) -> None:
    assert keeper.run(arguments)[0] == 2
    assert "neither PROXY_COMMAND nor TOKEN_COMMAND is set" in keeper.run("once")[1]
    keeper.settings["PROXY_COMMAND"] = "no-such-program"
    assert "cannot be run (No such file" in keeper.run("once")[1]
