"""What an error shows: one line, and no user name, password or token of a URL, whatever the server calls it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors import FileReadError, without_credentials

NAMES = [
    "authz",
    "Authorization",
    "access_token",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Credential",
    "X-Goog-Signature",
    "Signature",
    "sig",
    "apikey",
    "api_key",
    "api-key",
    "APIKey",
    "jwt",
    "bearer",
    "auth",
    "code",
    "pwd",
    "pass",
    "passphrase",
    "password",
    "AWSAccessKeyId",
    "Key-Pair-Id",
    "sessionid",
    "xrd.token",
    "SecretKey",
    "private_token",
    "macaroon",
]
PUBLIC = ["xrd.wantprot=unix", "n=1", "download=true", "version=v10", "se=2026-11-28", "svcClass=default", "tried=a,b"]
WORDS = st.text(alphabet="abcXYZ0189!$*(),;=&?#@:/%+~.-_", min_size=4, max_size=30)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sign", ["?", "?n=1&", "#"])
def test_a_parameter_that_speaks_of_a_secret(name: str, sign: str) -> None:
    text = without_credentials(f"root://host//a.root{sign}{name}=ab1&m=2")
    assert text == f"root://host//a.root{sign}{name}=...&m=2"


def test_an_opaque_value_of_any_name() -> None:
    secret = "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg"
    assert without_credentials(f"https://host/a.root?z={secret}") == "https://host/a.root?z=..."
    assert without_credentials("https://host/a.root?z=eyJ0.eyJz.c2ln") == "https://host/a.root?z=..."


@pytest.mark.parametrize("parameter", PUBLIC)
def test_what_is_no_secret_stays(parameter: str) -> None:
    url = f"https://host:8443/a/b@2/x.root?{parameter}"
    assert without_credentials(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "(pt>1)&signal==2",
        "n>1&sig<=2",
        "n>1&key!=2",
        "pt == 1 & key=2",
        "sum(x) >= 3",
        "eta=0.5",
        "a.root:signal",
        "/data/a@b.root",
        "root://host:1094//a/b@c.root",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert without_credentials(text) == text


@given(user=WORDS, password=WORDS, token=WORDS)
def test_nothing_of_a_well_formed_url_is_left(user: str, password: str, token: str) -> None:
    user, password, token = (f"Q{quote(word, safe='')}Q" for word in (user, password, token))
    text = str(FileReadError("failed", where=f"https://{user}:{password}@host/x.root?n=1&authz={token}"))
    assert text == "https://host/x.root?n=1&authz=...: failed"


@given(password=st.text(alphabet="abc/?@:", min_size=1, max_size=12))
def test_a_password_that_is_not_quoted(password: str) -> None:
    assert without_credentials(f"https://me:Q{password}Q@host/x.root") == "https://host/x.root"


@given(st.text(st.characters(categories=["Cc", "Zl", "Zp", "Lu"])), st.text(), st.text())
def test_an_error_is_one_line_whatever_names_hold(what: str, where: str, hint: str) -> None:
    text = str(FileReadError(what, where=where, hint=hint))
    assert len(text.splitlines()) <= 1
    assert "\x1b" not in text
