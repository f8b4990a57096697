"""Proxies, authorities, keys for S3, Kerberos: found where their own tools keep them, and never shown."""

from __future__ import annotations

import os
import ssl
import time
from datetime import timedelta
from pathlib import Path

import pytest

from mlaas4hep.credentials import authorities, kerberos, s3, x509
from mlaas4hep.credentials.check import explain, find_all, refuse_expired
from mlaas4hep.errors import CredentialError
from tests.support.grid import Authority, Person, unsigned_token

PROXY = f"x509up_u{os.getuid()}"
Environment = pytest.MonkeyPatch


def test_a_proxy_and_its_end(person: Person, bare: Path, monkeypatch: Environment) -> None:
    assert x509.find() is None
    end = person.proxy(bare / PROXY)
    found = x509.find()
    assert found is not None
    assert found.expires == end.timestamp()
    assert (found.place, found.problem, found.about) == (str(bare / PROXY), None, "CN=Ada Physicist,DC=example")
    monkeypatch.setenv("X509_USER_PROXY", str(bare / PROXY))
    later = person.proxy(bare / PROXY, timedelta(hours=30))
    found = x509.find()
    assert found is not None
    assert (found.place, found.expires) == (f"X509_USER_PROXY={bare / PROXY}", later.timestamp())


def test_proxies_that_cannot_be_used(person: Person, bare: Path, monkeypatch: Environment) -> None:
    person.proxy(bare / PROXY)
    (bare / PROXY).chmod(0o644)
    found = x509.find()
    assert found is not None
    assert "chmod 600" in (found.exposed or "")
    (bare / PROXY).write_text("nothing")
    found = x509.find()
    assert found is not None
    assert found.problem == "holds no certificate in PEM form"
    (bare / PROXY).unlink()
    monkeypatch.setenv("X509_USER_PROXY", str(bare / "gone"))
    found = x509.find()
    assert found is not None
    assert found.problem == "no such file"


def test_authorities(authority: Authority, bare: Path, monkeypatch: Environment) -> None:
    assert authorities.find() is None
    monkeypatch.setenv("X509_CERT_DIR", str(bare))
    found = authorities.find()
    assert found is not None
    assert found.problem is not None
    monkeypatch.setenv("X509_CERT_DIR", str(authority.folder))
    found = authorities.find()
    assert found is not None
    assert (found.problem, found.about) == (None, "1 authority")
    context = authorities.trust(ssl.create_default_context())
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_keys_for_s3(monkeypatch: Environment) -> None:
    assert s3.find() is None
    aws = Path.home() / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text("[default]\naws_access_key_id = A\naws_secret_access_key = hunter2\n")
    found = s3.find()
    assert found is not None
    assert found.place == "~/.aws/credentials (profile default)"
    monkeypatch.setenv("AWS_PROFILE", "cern")
    found = s3.find()
    assert found is not None
    assert found.problem == "no such profile"
    (aws / "config").write_text("[profile cern]\nregion = x\ncredential_process = get\n")
    found = s3.find()
    assert found is not None
    assert found.problem is None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    found = s3.find()
    assert found is not None
    assert found.problem == "AWS_SECRET_ACCESS_KEY is not set"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2023-11-14T22:13:20+00:00")
    found = s3.find()
    assert found is not None
    assert (found.place, found.expires) == ("AWS_ACCESS_KEY_ID", 1.7e9)
    assert "hunter2" not in repr(found)


def test_kerberos(bare: Path, monkeypatch: Environment) -> None:
    assert kerberos.find() is None
    (bare / f"krb5cc_{os.getuid()}").touch()
    assert kerberos.find() is not None
    for name, problem in ((f"FILE:{bare}/gone", "no such file"), (str(bare), None), ("KEYRING:persistent:0", None)):
        monkeypatch.setenv("KRB5CCNAME", name)
        found = kerberos.find()
        assert found is not None
        assert (found.place, found.problem) == (f"KRB5CCNAME={name}", problem)


def test_expired_ones_are_refused(person: Person, bare: Path, monkeypatch: Environment) -> None:
    kinds = ("X.509 proxy", "bearer token")
    refuse_expired(kinds)
    person.proxy(bare / PROXY, timedelta(minutes=-2))
    with pytest.raises(CredentialError) as caught:
        refuse_expired(kinds)
    text = str(caught.value)
    assert text.startswith(f"{bare / PROXY}: the X.509 proxy expired 2 min")
    assert text.endswith("; renew it with voms-proxy-init, or remove it where none is needed")
    refuse_expired(["bearer token"])
    monkeypatch.setenv("BEARER_TOKEN", unsigned_token(exp=time.time() + 600))
    refuse_expired(kinds)
    monkeypatch.setenv("BEARER_TOKEN", unsigned_token(exp=time.time() - 600))
    with pytest.raises(CredentialError, match=r"X\.509 proxy expired"):
        refuse_expired(kinds)
    person.proxy(bare / PROXY)
    refuse_expired(kinds)
    with pytest.raises(CredentialError, match="BEARER_TOKEN: the bearer token expired 10 min"):
        refuse_expired(["bearer token"])


def test_a_token_that_others_may_read_is_still_one(person: Person, bare: Path) -> None:
    """HTTPS uses it, so an expired proxy beside it is no reason to refuse; a file that is not there is none."""
    kinds = ("X.509 proxy", "bearer token", "Kerberos tickets")
    person.proxy(bare / PROXY, timedelta(minutes=-2))
    token = bare / f"bt_u{os.getuid()}"
    token.write_text(unsigned_token(exp=time.time() + 600))
    token.chmod(0o644)
    refuse_expired(kinds)
    token.write_text("")
    with pytest.raises(CredentialError, match=r"X\.509 proxy expired"):
        refuse_expired(kinds)


def test_every_kind_is_looked_for() -> None:
    assert list(find_all().values()) == [None] * 5


def test_what_is_said_when_a_server_refuses(person: Person, bare: Path, monkeypatch: Environment) -> None:
    kinds = ("X.509 proxy", "bearer token")
    assert explain(kinds).startswith("none of these was found: X.509 proxy, bearer token")
    person.proxy(bare / PROXY)
    monkeypatch.setenv("BEARER_TOKEN", unsigned_token(exp=time.time() - 7205))
    text = explain(kinds)
    assert f"the X.509 proxy in {bare / PROXY}: valid for 1" in text
    assert "the bearer token in BEARER_TOKEN: expired 2 h" in text
