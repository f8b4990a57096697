"""``doctor``: finds what works and what does not, shows no secret; its exit code says whether what was asked works."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.bare_environment import bare_environment
from tests.support.cli import run
from tests.support.grid import unsigned_token
from tests.support.http_files import CONNECTIONS_LEFT
from tests.support.https_files import site
from tests.support.session_authority import session_authority

pytestmark = CONNECTIONS_LEFT
Environment = pytest.MonkeyPatch
HIDDEN = ("hunter2", "c2lnbmF0dXJl", "eyJhbGciOi")


@pytest.fixture(autouse=True)
def bare(monkeypatch: Environment, tmp_path: Path) -> Path:
    return bare_environment(monkeypatch, tmp_path, trust=False)


def checks(*arguments: object) -> tuple[int, dict[str, dict[str, Any]]]:
    done = run("doctor", *arguments, "--json")
    found = json.loads(done.out)
    assert found["ok"] == (done.code == 0)
    assert done.err == ""
    return done.code, {check["name"]: check for check in found["checks"]}


def test_all_is_well() -> None:
    code, found = checks()
    failed = [check for check in found.values() if check["state"] == "failed" and check["name"] != "sandbox"]
    assert failed == []
    assert code == (1 if found["sandbox"]["state"] == "failed" else 0)
    assert found["bearer token"]["state"] == "absent"
    assert found["memory"]["bytes"] > 0
    assert found["cores"]["cores"] == len(os.sched_getaffinity(0))
    assert Path(found["disk"]["folder"]).is_dir()
    assert "numpy" in found["core"]["versions"]
    text = run("doctor").out
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == [
        "credentials",
        "packages",
        "machine",
    ]


def test_no_secret_is_shown(tmp_path: Path, monkeypatch: Environment) -> None:
    monkeypatch.setenv(
        "BEARER_TOKEN", unsigned_token(exp=time.time() + 600, secret="hunter2").replace("c2ln", HIDDEN[1])
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://me:hunter2@s3.example.org")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.csv").write_text("x\n1\n")
    with site(tmp_path / "files") as server:
        host = server.url.removeprefix("http://")
        urls = [f"http://me:hunter2@{host}/{name}.csv?authz=hunter2" for name in ("a", "none")]
        for arguments in ((), ("--json",)):
            done = run("doctor", *urls, *arguments)
            assert done.code == 1
            assert f"http://{host}/a.csv" in done.out
            assert [secret for secret in HIDDEN if secret in done.out + done.err] == []


def test_an_expired_token(tmp_path: Path, monkeypatch: Environment) -> None:
    monkeypatch.setenv("BEARER_TOKEN", unsigned_token(exp=time.time() - 7205))
    code, found = checks()
    assert code == 1
    assert found["bearer token"]["state"] == "failed"
    assert "expired 2 h" in found["bearer token"]["text"]
    assert "oidc-token" in found["bearer token"]["text"]
    local = tmp_path / "a.csv"
    local.write_text("x\n1\n")
    assert checks(local)[0] == 0
    code, found = checks(local, "https://localhost:1/a.csv")
    assert code == 1
    assert found["https://localhost:1/a.csv"]["class"] == "credentials"


def test_servers(tmp_path: Path, monkeypatch: Environment) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text("x\n1\n")
        os.utime(folder / f"{name}.csv", (1_700_000_000, 1_700_000_000))
    monkeypatch.setenv("X509_CERT_DIR", str(session_authority().folder))
    with site(folder, session_authority()) as server:
        server.token = "right"
        monkeypatch.setenv("BEARER_TOKEN", "right")
        code, found = checks(f"{server.url}/a.csv", f"{server.url}/*.csv")
        assert code == 0
        assert found[f"{server.url}/a.csv"]["version"] is True
        assert found[f"{server.url}/a.csv"]["open_seconds"] > 0
        assert found[f"{server.url}/*.csv"]["files"] == 2
        monkeypatch.setenv("BEARER_TOKEN", "wrong")
        code, found = checks(f"{server.url}/a.csv", folder / "a.csv")
        assert code == 1
        assert found[str(folder / "a.csv")]["state"] == "ok"
        refused = found[f"{server.url}/a.csv"]
        assert refused["class"] == "authentication"
        assert "the bearer token in BEARER_TOKEN: its end of validity is not known" in refused["text"]
        monkeypatch.delenv("BEARER_TOKEN")
        text = checks(f"{server.url}/a.csv")[1][f"{server.url}/a.csv"]["text"]
        assert "none of these was found: bearer token, X.509 proxy" in text


def test_packages_that_do_not_fit(tmp_path: Path, monkeypatch: Environment) -> None:
    facts = tmp_path / "site" / "mlaas4hep-0.1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: mlaas4hep\nVersion: 0.1.0\n"
        "Provides-Extra: old\nProvides-Extra: gone\nProvides-Extra: here\n"
        "Requires-Dist: numpy>=2\nRequires-Dist: numpy<1; extra == 'old'\n"
        "Requires-Dist: no-such-package; extra == 'gone'\nRequires-Dist: numpy>=1; extra == 'here'\n"
        "Requires-Dist: never-asked-for; extra == 'here' and python_version < '3'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    code, found = checks()
    assert code == 1
    states = {name: found[name]["state"] for name in ("core", "old", "gone", "here")}
    assert states == {"core": "ok", "old": "failed", "gone": "absent", "here": "ok"}
    assert "does not fit <1; pip install 'mlaas4hep[old]'" in found["old"]["text"]
    assert "without no-such-package" in found["gone"]["text"]


def test_a_driver_that_does_not_answer(tmp_path: Path, monkeypatch: Environment) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed: no driver'\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    code, found = checks()
    assert code == 1
    assert found["GPU"]["text"] == "nvidia-smi: NVIDIA-SMI has failed: no driver"
