"""Passwords and tokens of URLs are neither shown nor stored, whatever becomes of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors import FileReadError, without_credentials
from tests.support.cli import run
from tests.support.http_files import CONNECTIONS_LEFT, Quiet, served

pytestmark = CONNECTIONS_LEFT

SECRETS = ("hunter2", "eyJhbGciOi", "deadbeef")
QUERY = "authz=Bearer%20eyJhbGciOi&X-Amz-Signature=deadbeef&n=1"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with served(Quiet, tmp_path) as found:
        yield found


def test_a_training_keeps_no_password(host: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for name, mean in (("a", 0.0), ("b", 1.0)):
        rows = "\n".join(f"{x:.6f}" for x in rng.normal(mean, 1, 600))
        (tmp_path / f"{name}.csv").write_text(f"x\n{rows}\n")
    (tmp_path / "model.py").write_text(
        "from sklearn.linear_model import LogisticRegression\ndef model():\n    return LogisticRegression()\n"
    )
    urls = [f"http://me:hunter2@{host}/{name}.csv?{QUERY}" for name in "ab"]
    work = tmp_path / "work"
    work.mkdir()
    (work / "w.yaml").write_text(
        f"samples:\n  - {{name: a, files: '{urls[0]}', label: 0}}\n  - {{name: b, files: '{urls[1]}', label: 1}}\n"
        f"training: {{model: {tmp_path}/model.py}}\nreading: {{cache: cache}}\n"
    )
    done = run("train", work / "w.yaml", "--fout", work / "bundle")
    assert done.code == 0, done.err
    specs = run("specs", *urls, "-o", work / "specs.json")
    scores = run("predict", work / "bundle", *urls, "-o", work / "scores.csv")
    shown = run("inspect", urls[0]), run("inspect", urls[0], "--json"), specs, scores
    assert [outcome.code for outcome in shown] == [0, 0, 0, 0]
    (work / "w.yaml").unlink()
    texts = [done.out, done.err, *(outcome.out + outcome.err for outcome in shown)]
    texts += [path.read_bytes().decode("latin-1") for path in work.rglob("*") if path.is_file()]
    for secret in SECRETS:
        assert not [text[:200] for text in texts if secret in text]
    assert any(f"http://{host}/a.csv" in text for text in texts)


@pytest.mark.parametrize("command", [("inspect",), ("specs",), ("throughput",)])
def test_an_error_shows_no_password(host: str, command: tuple[str, ...]) -> None:
    done = run(*command, f"http://me:hunter2@{host}/nothing.root?{QUERY}")
    assert done.code == 2
    assert not [secret for secret in SECRETS if secret in done.out + done.err]
    assert f"http://{host}/nothing.root" in done.error


@given(
    user=st.text("abcXYZ019._-%+", min_size=1, max_size=8),
    password=st.text("abcXYZ019._-%:@+!$", min_size=6, max_size=20),
    scheme=st.sampled_from(["http", "https", "root", "roots", "s3"]),
    text=st.sampled_from(["{}", "cannot read {}; try again", "'{}' and {}"]),
)
def test_the_user_part_of_any_url_is_taken_out(user: str, password: str, scheme: str, text: str) -> None:
    url = f"{scheme}://{user}:{password}@host:1094//store/a.root"
    shown = without_credentials(text.replace("{}", url))
    assert f"{password}@" not in shown
    assert f"{scheme}://host:1094//store/a.root" in shown


@pytest.mark.parametrize(
    "text", ["https://host/a@b.root", "mail me@host", "root://host//store/x?svcClass=y", "/data/a:b@c.root"]
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert without_credentials(text) == text


def test_an_error_that_crosses_processes_has_none_either() -> None:
    error = FileReadError("cannot open https://u:hunter2@h/a", where="https://u:hunter2@h/a", hint="see https://u:p@h")
    assert "hunter2" not in str(error) + repr(error)
