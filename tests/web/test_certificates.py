"""HTTPS and gRPC over TLS, with certificates that are replaced while connections go on."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlaas4hep.errors import ConfigError
from mlaas4hep.web.certificates import Certificates
from mlaas4hep.web.settings import Tls
from tests.support.serve_process import ServeProcess, eventually


def write(authority: trustme.CA, folder: Path) -> Tls:
    """A new certificate for this machine, put in place like a renewal tool does."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    for name, blob in (("key.pem", made.private_key_pem), ("cert.pem", made.cert_chain_pems[0])):
        blob.write_to_path(folder / f"{name}.new")
        (folder / f"{name}.new").replace(folder / name)
    return Tls(certificate=folder / "cert.pem", key=folder / "key.pem")


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_new_certificates_are_taken_while_connections_go_on(start: Callable[..., ServeProcess], tmp_path: Path) -> None:
    first, second = trustme.CA(), trustme.CA()
    tls = write(first, tmp_path)
    serving = start({"tls": {"certificate": str(tls.certificate), "key": str(tls.key)}})
    assert serving.url.startswith("https://")

    def grpc_ready(authority: trustme.CA) -> bool:
        trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        with grpc.secure_channel(serving.grpc, trusted) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            try:
                return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=10).ready)
            except grpc.RpcError:
                return False

    def https_ready(authority: trustme.CA) -> bool:
        try:
            return httpx.get(f"{serving.url}/health/ready", verify=trusting(authority)).status_code == 200
        except httpx.ConnectError:
            return False

    with httpx.Client(base_url=serving.url, verify=trusting(first)) as old:
        assert old.get("/health/ready").status_code == 200
        assert grpc_ready(first)
        assert not https_ready(second)
        write(second, tmp_path)
        assert eventually(lambda: https_ready(second))
        assert grpc_ready(second)
        assert not grpc_ready(first)
        assert old.get("/health/ready").status_code == 200
    assert serving.lines("certificate read again")
    (tmp_path / "key.pem").write_text("nonsense")
    assert eventually(lambda: [line for line in serving.lines() if "is not used" in line["message"]])
    assert https_ready(second)
    serving.stop()


def test_what_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    tls = write(trustme.CA(), tmp_path)
    Certificates(tls)
    with pytest.raises(ConfigError, match=r"absent\.pem: no such file"):
        Certificates(Tls(certificate=tmp_path / "absent.pem", key=tls.key))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ConfigError, match=r"cannot be used \(key values mismatch\)"):
        Certificates(Tls(certificate=tls.certificate, key=write(trustme.CA(), other).key))


def test_files_are_read_only_when_they_change(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificates = Certificates(write(authority, tmp_path))
    assert not certificates.refresh()
    write(authority, tmp_path)
    assert certificates.refresh()
    assert not certificates.refresh()
    (tmp_path / "key.pem").unlink()
    assert not certificates.refresh()
    assert certificates.reloaded == 1
