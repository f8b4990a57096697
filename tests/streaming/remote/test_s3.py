"""S3 from a real server process: data, failures, versions; keys from the places of the AWS tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import CredentialError
from mlaas4hep.errors.reading import CorruptFileError, FolderError, MissingFileError, UnreachableError
from mlaas4hep.streaming.inspection import inspect
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.remote.version import version_of
from tests.support.bare_environment import bare_environment
from tests.support.http_files import CONNECTIONS_LEFT
from tests.support.s3_server import KEYS, s3_server
from tests.support.scan_keys import key
from tests.support.xrootd_servers import free_port

pytestmark = CONNECTIONS_LEFT
BUCKET = "simulation"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as found:
        yield found


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: str) -> None:
    """The keys are in a file, the server's address in a variable."""
    bare_environment(monkeypatch, tmp_path)
    aws = Path.home() / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(
        f"[default]\naws_access_key_id={KEYS['AWS_ACCESS_KEY_ID']}\naws_secret_access_key=test\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", KEYS["AWS_DEFAULT_REGION"])


@pytest.fixture
def client(endpoint: str) -> Any:
    import boto3

    made = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )
    made.create_bucket(Bucket=BUCKET)
    yield made
    made.close()


def put(client: Any, name: str, content: bytes) -> str:
    client.put_object(Bucket=BUCKET, Key=name, Body=content)
    return f"s3://{BUCKET}/{name}"


def test_a_tree_equals_that_of_the_local_file(client: Any, pythia: Path) -> None:
    path = pythia / "ttbar.root"
    remote = open_source(put(client, "a/ttbar.root", path.read_bytes()), "Events")
    local = open_source(str(path), "Events")
    assert (remote.identity, remote.entries) == (local.identity, local.entries)
    ours, theirs = (source.read(["MET_pt", "Jet_pt"], 10, 500) for source in (remote, local))
    np.testing.assert_array_equal(np.asarray(ours["MET_pt"]), np.asarray(theirs["MET_pt"]))
    assert ours["Jet_pt"].tolist() == theirs["Jet_pt"].tolist()
    remote.close()


def test_a_table_is_read(client: Any) -> None:
    url = put(client, "a/t.csv", b"x\n" + b"\n".join(b"%d" % i for i in range(5000)))
    np.testing.assert_array_equal(open_source(url, None).read(["x"], 4000, 5000)["x"], np.arange(4000, 5000))
    assert inspect(url).format == "csv"


def test_what_is_not_there(client: Any) -> None:
    with pytest.raises(MissingFileError):
        open_source(f"s3://{BUCKET}/nothing.csv", None)
    with pytest.raises(MissingFileError):
        open_source("s3://no-such-bucket/a.root", "Events")
    put(client, "folder.csv/a.csv", b"x\n1\n")
    with pytest.raises(FolderError):
        open_source(f"s3://{BUCKET}/folder.csv", None)
    with pytest.raises(CorruptFileError, match="is empty"):
        open_source(put(client, "empty.csv", b""), None)


def test_a_server_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError):
        open_source(f"s3://{BUCKET}/other.csv", None)


def test_an_object_of_the_same_name_and_size_is_another(client: Any) -> None:
    url = put(client, "a/v.csv", b"x\n1\n2\n")
    first = version_of(url)
    assert first is not None
    assert version_of(url) == first
    put(client, "a/v.csv", b"x\n1\n3\n")
    assert version_of(url) not in {first, None}


def test_a_replaced_object_never_has_the_old_features(client: Any) -> None:
    """Of the same name and size, different only beyond what a digest looks at."""
    filler = "".join(f"{i % 10}.25,{i % 2}\n" for i in range(200_000))
    url = put(client, "a/f.csv", f"x,y\n{filler}1.5,1\n{filler}".encode())
    first = key(url)
    assert key(url) == first
    put(client, "a/f.csv", f"x,y\n{filler}2.5,1\n{filler}".encode())
    assert key(url) != first


def test_keys_that_have_expired(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = put(client, "a/k.csv", b"x\n1\n")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2023-11-14T22:13:20+00:00")
    with pytest.raises(CredentialError, match="AWS_ACCESS_KEY_ID: the S3 keys expired"):
        open_source(url, None)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2123-11-14T22:13:20+00:00")
    assert open_source(url, None).entries == 1
