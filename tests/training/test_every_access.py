"""The same files by every kind of access, from real servers, give the features and split that they give from disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.config.workflow import Workflow
from tests.support.bare_environment import bare_environment
from tests.support.http_files import CONNECTIONS_LEFT
from tests.support.s3_server import KEYS, s3_server
from tests.support.session_authority import session_authority
from tests.support.webhdfs import webhdfs_server
from tests.support.wlcg_tokens import TokenIssuer
from tests.support.workflows import read_all
from tests.support.xrootd_cluster import cluster
from tests.support.xrootd_servers import XRootD, xrootd_folder

pytestmark = CONNECTIONS_LEFT
FILES = {"ggH_tautau.root": 1, "ttbar.root": 0}


class Grid:
    """A folder that servers of every kind share, with an authority and an issuer of tokens."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root, self.stack = root, stack
        self.authority = session_authority()
        self.issuer = TokenIssuer()
        self.scitokens, self.cache = self.issuer.configure(root)
        certificate, key = self.authority.host(root / "host", "localhost")
        self.tls = [f"xrd.tls {certificate} {key}", f"xrd.tlsca certdir {self.authority.folder}"]
        options = f"-certdir:{self.authority.folder} -cert:{certificate} -key:{key} -crl:0 -gmapopt:0 -dlgpxy:0"
        self.gsi = ["xrootd.seclib libXrdSec.so", f"sec.protocol gsi {options}", "sec.protbind * only gsi"]
        self.ztn = ["xrootd.seclib libXrdSec.so", "sec.protocol ztn", "sec.protbind * only ztn"]
        self.http = ["xrd.protocol http:{port} libXrdHttp.so", "http.header2cgi Authorization authz"]

    def server(self, name: str, *lines: str) -> XRootD:
        made = XRootD(self.root, name, lines, self.cache)
        self.stack.callback(made.kill)
        return made

    def base(self, access: str) -> str:
        """Start what gives this access; return what the names of the files follow."""
        if access == "plain":
            return f"{self.server('plain').url}//store/"
        if access == "TLS":
            return f"{self.server('tls', *self.tls, 'xrootd.tls all').url.replace('root:', 'roots:')}//store/"
        if access == "X.509 proxy":
            return f"{self.server('gsi', *self.gsi).url}//store/"
        if access == "token":
            lines = [*self.scitokens, *self.tls, "xrootd.tls all", *self.ztn]
            return f"{self.server('ztn', *lines).url.replace('root:', 'roots:')}//store/"
        if access in {"https", "davs"}:
            port = self.server(access, *self.scitokens, *self.tls, *self.http).port
            return f"{access}://localhost:{port}/store/"
        if access == "WebHDFS":
            return f"{self.stack.enter_context(webhdfs_server(self.root / 'store'))}/"
        if access == "redirector":
            found = self.stack.enter_context(cluster([[self.root / "store" / name] for name in FILES]))
            return f"{found.url}//store/"
        raise ValueError(access)


@pytest.fixture(scope="module")
def grid(pythia: Path) -> Iterator[Grid]:
    with ExitStack() as stack:
        root = stack.enter_context(xrootd_folder())
        for name in FILES:
            shutil.copy(pythia / name, root / "store" / name)
        yield Grid(root, stack)


@pytest.fixture(autouse=True)
def credentials(grid: Grid, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the grid's tools leave them."""
    folder = bare_environment(monkeypatch, tmp_path)
    proxy, token = folder / "proxy", folder / "token"
    token.touch(mode=0o600)
    token.write_text(grid.issuer.token())
    grid.authority.person().proxy(proxy)
    monkeypatch.setenv("X509_USER_PROXY", str(proxy))
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(token))


def checksums(base: str) -> dict[str, Any]:
    """Of the features, raw and transformed, of the split, weights and labels; by file, whatever it is called."""
    workflow = Workflow.model_validate(
        {
            "samples": [{"name": name, "files": base + name, "label": label} for name, label in FILES.items()],
            "tree": "Events",
            "identifier": ["event"],
            "features": {"include": ["Lepton_*", "Jet_pt", "MET_*"], "length": {"default": 3}, "mask": True},
            "selection": "MET_pt > 5",
            "training": {"model": "model.py"},
            "reading": {"workers": 2},
        }
    )
    layout, block = read_all(workflow)
    arrays = {field: getattr(block, field) for field in ("raw", "y", "weight", "part", "entry")}
    arrays["transformed"] = layout.transform(block.raw)
    return {name: sha256(array.tobytes()).hexdigest() for name, array in arrays.items()} | {"events": len(block.y)}


@pytest.fixture(scope="module")
def wanted(pythia: Path) -> dict[str, Any]:
    found = checksums(f"{pythia}/")
    assert found["events"] > 5000
    return found


@pytest.mark.parametrize("access", ["plain", "TLS", "X.509 proxy", "token", "https", "davs", "WebHDFS", "redirector"])
def test_features_and_split_are_those_from_disk(access: str, grid: Grid, wanted: dict[str, Any]) -> None:
    assert checksums(grid.base(access)) == wanted


def test_s3(grid: Grid, wanted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path / "log") as endpoint:
        import boto3

        for name, value in {**KEYS, "AWS_ENDPOINT_URL_S3": endpoint}.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="simulation")
        for name in FILES:
            client.upload_file(str(grid.root / "store" / name), "simulation", f"mc/{name}")
        client.close()
        assert checksums("s3://simulation/mc/") == wanted
