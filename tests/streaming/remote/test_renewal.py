"""Servers that ask who one is: right credentials read, wrong ones are refused, and renewed ones are picked up."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.errors import CredentialError
from mlaas4hep.streaming.readers import open_source
from tests.support.bare_environment import bare_environment
from tests.support.grid import Authority, Person
from tests.support.session_authority import session_authority
from tests.support.wlcg_tokens import TokenIssuer
from tests.support.xrootd_servers import XRootD, xrootd_folder

BRANCH = "MET_pt"


@pytest.fixture(scope="module")
def folder(pythia: Path) -> Iterator[Path]:
    with xrootd_folder() as found:
        shutil.copy(pythia / "ggH_tautau.root", found / "store" / "ggH.root")
        yield found


@pytest.fixture(scope="module")
def authority() -> Authority:
    return session_authority()


@pytest.fixture(scope="module")
def person(authority: Authority) -> Person:
    return authority.person()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return bare_environment(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def gsi(folder: Path, authority: Authority) -> Iterator[XRootD]:
    """A server that takes X.509 proxies alone."""
    certificate, key = authority.host(folder / "gsi", "localhost")
    options = f"-certdir:{authority.folder} -cert:{certificate} -key:{key} -crl:0 -gmapopt:0 -dlgpxy:0"
    server = XRootD(
        folder,
        "gsi",
        ["xrootd.seclib libXrdSec.so", f"sec.protocol gsi {options}", "sec.protbind * only gsi"],
    )
    yield server
    server.kill()


@pytest.fixture(scope="module")
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture(scope="module")
def ztn(folder: Path, authority: Authority, issuer: TokenIssuer) -> Iterator[XRootD]:
    """A server that takes tokens alone."""
    certificate, key = authority.host(folder / "ztn", "localhost")
    lines, environment = issuer.configure(folder)
    lines += [f"xrd.tls {certificate} {key}", f"xrd.tlsca certdir {authority.folder}", "xrootd.tls all"]
    lines += ["xrootd.seclib libXrdSec.so", "sec.protocol ztn", "sec.protbind * only ztn"]
    server = XRootD(folder, "ztn", lines, environment)
    yield server
    server.kill()


def check(url: str, pythia: Path) -> None:
    local = open_source(str(pythia / "ggH_tautau.root"), "Events")
    remote = open_source(url, "Events")
    np.testing.assert_array_equal(remote.read([BRANCH], 0, 8000)[BRANCH], local.read([BRANCH], 0, 8000)[BRANCH])
    remote.close()
    local.close()


def test_a_proxy_renewed_while_files_are_read(
    gsi: XRootD, person: Person, bare: Path, pythia: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client keeps a proxy as long as that is valid, so the first one has to run out."""
    proxy = bare / "proxy"
    monkeypatch.setenv("X509_USER_PROXY", str(proxy))
    end = person.proxy(proxy, timedelta(seconds=5))
    check(f"{gsi.url}//store/ggH.root", pythia)
    while datetime.now(UTC) < end:
        time.sleep(0.1)
    with pytest.raises(CredentialError, match=r"the X\.509 proxy expired"):
        check(f"{gsi.url}//store/ggH.root", pythia)
    gsi.kill()
    gsi.start()
    person.proxy(proxy, timedelta(hours=2))
    check(f"{gsi.url}//store/ggH.root", pythia)


AFTER_TENSORFLOW = """
import sys
import numpy as np
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.remote.xrootd import configure

configure()
import tensorflow

source = open_source(sys.argv[1], "Events")
print(np.asarray(source.read(["MET_pt"], 0, 10)["MET_pt"]).tolist())
"""


def test_a_proxy_is_used_after_tensorflow_was_imported(
    gsi: XRootD, person: Person, bare: Path, pythia: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: what TensorFlow brings of OpenSSL ended it."""
    pytest.importorskip("tensorflow")
    monkeypatch.setenv("X509_USER_PROXY", str(bare / "proxy"))
    person.proxy(bare / "proxy", timedelta(hours=2))
    command = [sys.executable, "-c", AFTER_TENSORFLOW, f"{gsi.url}//store/ggH.root"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    local = open_source(str(pythia / "ggH_tautau.root"), "Events")
    assert json.loads(done.stdout) == np.asarray(local.read([BRANCH], 0, 10)[BRANCH]).tolist()
    local.close()


def test_a_token_renewed_while_files_are_read(
    ztn: XRootD, issuer: TokenIssuer, bare: Path, pythia: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bare / "token"
    file.touch(mode=0o600)
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(file))
    file.write_text(issuer.token())
    url = ztn.url.replace("root:", "roots:")
    check(f"{url}//store/ggH.root", pythia)
    file.write_text(issuer.token(-60))
    with pytest.raises(CredentialError, match="the bearer token expired 1 min"):
        check(f"{url}//store/ggH.root", pythia)
    file.write_text(issuer.token())
    ztn.kill()
    ztn.start()
    check(f"{url}//store/ggH.root", pythia)


@pytest.mark.parametrize("whose", ["nobody's", "a stranger's"])
def test_a_server_that_does_not_know_who_asks(
    gsi: XRootD, whose: str, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if whose != "nobody's":
        Authority(tmp_path / "other", "Another Authority").person().proxy(bare / "proxy")
        monkeypatch.setenv("X509_USER_PROXY", str(bare / "proxy"))
    command = [sys.executable, "-m", "mlaas4hep", "inspect", f"{gsi.url}//store/ggH.root"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # a client that knows no proxy yet
    assert done.returncode == 2
    found = (
        "none of these was found: X.509 proxy, bearer token"
        if whose == "nobody's"
        else f"{bare / 'proxy'}: valid for 11 h"
    )
    assert re.search(f"the server refused your identity.*{re.escape(found)}", done.stderr)
