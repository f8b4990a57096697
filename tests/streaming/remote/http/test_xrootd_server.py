"""HTTPS and WebDAV from a real XRootD server that takes bearer tokens alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.remote.http.webdav import listing
from mlaas4hep.streaming.remote.version import version_of
from tests.support.bare_environment import bare_environment
from tests.support.grid import Authority
from tests.support.session_authority import session_authority
from tests.support.wlcg_tokens import TokenIssuer
from tests.support.xrootd_servers import XRootD, xrootd_folder

BRANCHES = ["MET_pt", "Jet_pt"]


@pytest.fixture(scope="module")
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture(scope="module")
def folder(pythia: Path) -> Iterator[Path]:
    with xrootd_folder() as found:
        for name in ("ggH_tautau.root", "ttbar.root"):
            shutil.copy(pythia / name, found / "store" / name)
            os.utime(found / "store" / name, (1_700_000_000, 1_700_000_000))
        yield found


@pytest.fixture(scope="module")
def authority() -> Authority:
    return session_authority()


@pytest.fixture(scope="module")
def server(folder: Path, authority: Authority, issuer: TokenIssuer) -> Iterator[XRootD]:
    certificate, key = authority.host(folder / "host", "localhost")
    lines, environment = issuer.configure(folder)
    lines += [
        f"xrd.tls {certificate} {key}",
        f"xrd.tlsca certdir {authority.folder}",
        "xrd.protocol http:{port} libXrdHttp.so",
        "http.header2cgi Authorization authz",
        "http.listingdeny no",
    ]
    made = XRootD(folder, "https", lines, environment)
    yield made
    made.kill()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare_environment(monkeypatch, tmp_path)


@pytest.mark.parametrize("scheme", ["https", "davs"])
def test_data_equal_local_data(
    scheme: str, server: XRootD, issuer: TokenIssuer, pythia: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{scheme}://localhost:{server.port}/store"
    with pytest.raises(FileReadError, match="permission denied"):
        open_source(f"{url}/ttbar.root", "Events")
    monkeypatch.setenv("BEARER_TOKEN", issuer.token())
    remote = open_source(f"{url}/ttbar.root", "Events")
    local = open_source(str(pythia / "ttbar.root"), "Events")
    ours, theirs = (source.read(BRANCHES, 0, local.entries) for source in (remote, local))
    np.testing.assert_array_equal(np.asarray(ours["MET_pt"]), np.asarray(theirs["MET_pt"]))
    assert ours["Jet_pt"].tolist() == theirs["Jet_pt"].tolist()
    names = [entry["name"] for entry in listing(url)]
    assert sorted(names) == [f"{url}/ggH_tautau.root", f"{url}/ttbar.root"]
    size = (pythia / "ttbar.root").stat().st_size
    assert f"size={size}" in (version_of(f"{url}/ttbar.root") or "")
    with pytest.raises(FileReadError, match="no such file"):
        open_source(f"{url}/nothing.root", "Events")
