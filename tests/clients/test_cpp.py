"""The C++ client, built with CMake, gives what ``mlaas4hep predict`` writes for the same events."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlaas4hep.inference.settings import Settings
from tests.support.cli import run
from tests.support.live import live_server
from tests.support.serving import make_bundle
from tests.support.toy import RECORDS, write_toy_events

SOURCE = Path(__file__).resolve().parents[2] / "clients" / "cpp"
HEADERS = {"curl/curl.h": "libcurl4-openssl-dev", "google/protobuf/message.h": "libprotobuf-dev"}


@dataclass(frozen=True)
class Client:
    """The program and a server."""

    program: Path
    url: str
    bundle: Path

    def __call__(self, *arguments: str, url: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.program), url or self.url, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("cmake", "g++", "make", "protoc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    for header, package in HEADERS.items():
        found = subprocess.run(
            ["g++", "-E", "-x", "c++", "-"], input=f"#include <{header}>\n", capture_output=True, text=True, check=False
        )
        if found.returncode:
            pytest.skip(f"{header} is missing: {package} is not installed")
    build = tmp_path_factory.mktemp("cpp")
    for command in (
        ["cmake", "-S", str(SOURCE), "-B", str(build), "-DCMAKE_CXX_FLAGS=-Werror"],
        ["cmake", "--build", str(build), "--parallel", "2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    return build / "tfaas_predict"


@pytest.fixture(scope="module")
def client(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    bundle = make_bundle(tmp_path_factory.mktemp("served") / "toy" / "1")
    with live_server(Settings(repository=bundle.parents[1])) as live:
        yield Client(program, live.url, bundle)


def pairs(event: dict[str, object]) -> list[str]:
    """``NAME=VALUE`` for each value, the last branch first."""
    found: list[str] = []
    for name, value in reversed(event.items()):
        if isinstance(value, list):
            found += [f"{name}[{index}]={entry}" for index, entry in enumerate(value or ["nan"])]
        else:
            found.append(f"{name}={value}")
    return found


def test_scores_are_those_of_predict(client: Client, tmp_path: Path) -> None:
    output = tmp_path / "scores.parquet"
    done = run("predict", client.bundle, write_toy_events(tmp_path / "events.root"), "-o", output, "--quiet")
    assert done.code == 0, done.err
    expected = pq.read_table(output)["score"].to_numpy()
    scores = []
    for event in RECORDS:
        answer = client("toy", *pairs(event))
        assert (answer.returncode, answer.stderr) == (0, "")
        name, score = answer.stdout.split()
        assert name == "signal"
        scores.append(float(score))
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_the_server_says_what_is_wrong(client: Client) -> None:
    missing = client("toy", "met=1", "charge=1", "Jet_pt[0]=3")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == "error: keys are missing: Jet_eta (status 400)\n"
    assert client("no\nsuch", "met=1").stderr.startswith("error: there is no model")
    assert client("toy", "met=1", url="http://127.0.0.1:9").stderr.startswith("error: http://127.0.0.1:9: ")
    for url in ("file:///etc/hostname", "models.example.org:8083", "nonsense"):
        assert client("toy", "met=1", url=url).stderr == f"error: {url}: is not a URL of a server\n"


def test_a_token_is_not_sent_unprotected(client: Client) -> None:
    for url in ("http://models.example.org", "http://localhost.example.org", "http://localhost:8083@127.0.0.2:9"):
        refused = client("toy", "met=1", url=url, BEARER_TOKEN="secret")
        assert refused.stderr == f"error: {url}: a token would travel unprotected; use https\n"
    assert client("toy", *pairs(RECORDS[0]), BEARER_TOKEN="secret", http_proxy="http://127.0.0.1:9").returncode == 0


def test_a_url_may_end_in_a_slash_and_a_token_in_a_line_break(client: Client) -> None:
    done = client("toy", *pairs(RECORDS[0]), url=f"{client.url}//", BEARER_TOKEN="secret\r\n")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("token", ["a b", "a\r\nX-More: 1", "\u00e9"])
def test_what_cannot_be_a_token(client: Client, token: str) -> None:
    refused = client("toy", "met=1", BEARER_TOKEN=token)
    assert refused.stderr == "error: BEARER_TOKEN holds a character that no token has, such as a space\n"


@pytest.mark.parametrize("pair", ["met", "met=", "met=x", "met=1x", "=", ""])
def test_what_is_no_pair(client: Client, pair: str) -> None:
    refused = client("toy", pair)
    assert (refused.returncode, refused.stderr) == (2, f"error: {pair}: not NAME=VALUE\n")
    assert client("toy").stderr.startswith("usage: ")
